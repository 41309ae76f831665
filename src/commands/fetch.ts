import { Command } from 'clipanion'
import { fetchPackages } from '../sources/fetch.ts'
import { GupperCommand } from './command.ts'
import { FetchFlags, TokenFlags } from './step-flags.ts'

class FetchCommand extends FetchFlags(TokenFlags(GupperCommand)) {
  static override paths = [['fetch']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'download what the records stand for',
    details:
      'Downloads into a cache that is kept by digest, resumes what was cut off, and holds size and digest against the ' +
      'record while the bytes arrive. A package that is in the cache is hashed again and not downloaded. The records ' +
      'gain "path" and, where they had a digest, the proof "digest". Where an address fails, the "mirrors" of a record with ' +
      'a digest are tried. Proxies are taken from the environment.',
    examples: [
      [
        'Fetch and install the newest',
        'gupper list http://repo:8080 | gupper fetch | gupper install --to ./app',
      ],
      ['Mirror a repository', 'gupper list --all http://repo:8080 | gupper fetch --jobs 8 --into ./mirror'],
    ],
  })

  async run(): Promise<undefined> {
    await this.write(fetchPackages(this.records(), await this.fetchOptions()))
  }
}

export const commands = [FetchCommand]
