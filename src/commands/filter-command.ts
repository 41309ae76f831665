import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { newerThan as findNewer } from '../store/newer.ts'
import { parseDuration } from '../package/duration.ts'
import { readFilter, type Filter } from '../package/filter.ts'
import { parseVersion } from '../package/version.ts'
import { createStages, type Stages } from '../store/stages.ts'
import { GupperCommand } from './command.ts'
import { stateHome } from './homes.ts'

/** The flags that say which records are wanted: the same for every verb that chooses. */
export abstract class FilterCommand extends GupperCommand {
  names = Option.Array('--name', { description: 'NAME: only packages of this name; may be given again' })
  os = Option.String('--os', { description: 'OS: for this operating system (default: this machine’s)' })
  arch = Option.String('--arch', { description: 'ARCH: for this processor (default: this machine’s)' })
  range = Option.String('--range', { description: 'RANGE: only versions in this range, e.g. "^1.9"' })
  channel = Option.String('--channel', {
    description: 'CHANNEL: let in pre-releases of this channel, e.g. beta',
  })
  newerThan = Option.String('--newer-than', {
    description: 'VERSION|PATH: only what is newer than this version, or than what is installed at this path',
  })
  minAge = Option.String('--min-age', {
    description: 'TIME: only builds that this machine first saw at least so long ago, e.g. 24h',
  })
  now = Option.Boolean('--now', false, {
    description: 'do not wait for rollouts: be among the first',
  })
  all = Option.Boolean('--all', false, {
    description: 'everything that fits, not only the newest of each name; rollouts are not waited for',
  })
  #stages: Stages | undefined

  /** Reads the flags; with a path after --newer-than, what stands there decides. */
  protected async filter(): Promise<Filter> {
    const { names, os, arch, range, channel, newerThan, all } = this
    const plain = { ...readFilter({ name: names, os, arch, range, channel, all }), ...(await this.#stage()) }
    if (newerThan === undefined) return plain
    const version = parseVersion(newerThan)
    if (version !== undefined) return { ...plain, newerThan: version }
    const { cwd, env, signal } = this.context
    await checkPlace(newerThan, cwd)
    return findNewer(newerThan, plain, { env, signal, observer: this.observer })
  }

  // What time decides. The state of this machine is not touched before something asks for it.
  async #stage(): Promise<Pick<Filter, 'reached' | 'aged'>> {
    const { minAge, now, all, observer } = this
    this.#stages ??= createStages(() => stateHome(this.context.env), observer)
    const { reached, cooldown } = this.#stages
    return {
      ...(!now && !all && { reached }),
      ...(minAge !== undefined && { aged: await cooldown(parseDuration(minAge, '--min-age')) }),
    }
  }
}

// A version with a slip of the pen must not be taken for a program that is not installed yet.
async function checkPlace(word: string, cwd: string): Promise<void> {
  const found = await stat(path.resolve(cwd, word)).catch(() => undefined)
  const strange = found && !found.isFile() && !found.isDirectory()
  if (word === '' || strange || (!found && /^v?\d[^/]*$/.test(word)))
    throw new GupperError('usage', `--newer-than: "${word}" is neither a version nor a program`, {
      hint: 'write e.g. 1.9.2, or the path of a program: ./app',
    })
}
