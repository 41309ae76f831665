import { Command, Option } from 'clipanion'
import { readToken } from '../net/token.ts'
import { parseCount } from '../package/duration.ts'
import { fetchPackages } from '../sources/fetch.ts'
import { GupperCommand } from './command.ts'
import { cacheHome } from './homes.ts'

class FetchCommand extends GupperCommand {
  static override paths = [['fetch']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'download what the records stand for',
    details:
      'Downloads into a cache that is kept by digest, resumes what was cut off, and holds size and digest against the ' +
      'record while the bytes arrive. A package that is in the cache is hashed again and not downloaded. The records ' +
      'gain "path" and, where they had a digest, the proof "digest". Proxies are taken from the environment.',
    examples: [
      [
        'Fetch and install the newest',
        'gupper list http://repo:8080 | gupper fetch | gupper install --to ./app',
      ],
      ['Mirror a repository', 'gupper list --all http://repo:8080 | gupper fetch --jobs 8 --into ./mirror'],
    ],
  })

  into = Option.String('--into', { description: 'DIR: put the packages there too, under their file names' })
  jobs = Option.String('--jobs', '4', { description: 'N: how many to download at once' })
  tokenFile = Option.String('--token-file', {
    description: 'FILE: the token for servers that want one (or the variable GUPPER_TOKEN_FILE)',
  })

  async run(): Promise<undefined> {
    const { cwd, env, signal } = this.context
    const tokenFile = this.tokenFile ?? env.GUPPER_TOKEN_FILE
    const options = {
      cwd,
      env,
      signal,
      observer: this.observer,
      into: this.into,
      jobs: parseCount(this.jobs, '--jobs'),
      cacheDir: cacheHome(env),
      token: tokenFile === undefined ? undefined : await readToken(tokenFile),
    }
    await this.write(fetchPackages(this.records(), options))
  }
}

export const commands = [FetchCommand]
