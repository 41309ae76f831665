import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import { listSlots, rollback } from '../store/rollback.ts'
import type { Columns } from '../terminal/table.ts'
import { ask } from '../supervisor/client.ts'
import { homeOfService, isServiceName } from '../supervisor/home.ts'
import { GupperCommand } from './command.ts'
import { stateHome } from './homes.ts'
import { activatedColumns } from './service-columns.ts'
import { runRemote } from './service-command.ts'

const keptColumns: Columns = {
  '': ({ current }) => (current === true ? '*' : ''),
  VERSION: ({ version }) => String(version),
  DIGEST: ({ digest }) => (typeof digest === 'string' ? digest.slice(7, 19) : '-'),
  'LAST LIVE': ({ activated }) => (typeof activated === 'string' ? activated : '-'),
  STATE: ({ rejected }) => (rejected === true ? 'taken back' : ''),
}

class RollbackCommand extends GupperCommand {
  static override paths = [['rollback']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'take an update back: the version before stands at PATH again',
    details:
      'Goes to the newest version that was live before and was not taken back itself, in one rename and without a network. ' +
      'The build that is left is remembered by its digest: install and select pass it over until it is asked for with ' +
      'install --again, or gone to by name with --version. Going forward to a newer version condemns nothing. With the NAME of a ' +
      'service (gupper run) its program is replaced too, without losing a request, and the service is frozen.',
    examples: [
      ['Back to the version before', 'gupper rollback ./app'],
      ['What could be gone back to?', 'gupper rollback ./app --list'],
      ['To a certain one', 'gupper rollback ./app --version 1.9.2'],
      ['A service that runs', 'gupper rollback web'],
      ['One on another machine', 'gupper rollback web@server'],
    ],
  })

  target = Option.String({ name: 'PATH|NAME', required: false })
  toVersion = Option.String('--version', {
    description:
      'VERSION: go to this kept version (default: the newest of those before that was not taken back)',
  })
  list = Option.Boolean('--list', false, { description: 'list the kept versions, and change nothing' })
  dryRun = Option.Boolean('--dry-run', false, { description: 'only say what would be done' })
  asService = Option.Boolean('--service', false, {
    description: 'the word is the name of a service, also where a file has that name',
  })
  wait = Option.String('--wait', '30s', { description: 'TIME: how long to wait for another gupper there' })

  async run(): Promise<number | undefined> {
    const { target, toVersion: version, list, dryRun, observer } = this
    const { cwd, env, signal } = this.context
    if (target === undefined || target === '')
      throw new GupperError('usage', 'no target is given', { hint: 'e.g.: gupper rollback ./app' })
    if (list && (version !== undefined || dryRun))
      throw new GupperError('usage', '--list changes nothing and takes neither --version nor --dry-run')
    const wait = parseDuration(this.wait, '--wait')
    const service = await this.#findService(target)
    if (service !== undefined) return this.#rollService(service)
    if (list) {
      this.columns = keptColumns
      await this.write(listSlots(target, { cwd }))
    } else await this.writeOne(await rollback(target, { version, dryRun, wait, cwd, env, signal, observer }))
    return undefined
  }

  /** A word without a slash may be a service: NAME, or NAME@HOST. */
  async #findService(word: string): Promise<string | undefined> {
    if (this.asService) return word
    if (word.includes('/') || !/^[A-Za-z0-9]/.test(word)) return undefined
    const { cwd, env } = this.context
    const isPath = await exists(resolve(cwd, word))
    if (word.includes('@')) return isPath ? undefined : word
    if (isPath && !isServiceName(word)) return undefined
    const home = homeOfService(stateHome(env), word)
    if (!(await exists(home.control))) return undefined
    if (!isPath) return word
    try {
      for await (const { to } of ask(home, { verb: 'status' }, this.context.signal))
        if (to === resolve(cwd, word)) return word
    } catch (error) {
      // The socket was left by a supervisor that was killed.
      if (error instanceof GupperError && error.code === 'not-running') return undefined
      throw error
    }
    throw new GupperError('ambiguous', `"${word}" is a file here and the name of a service`, {
      hint: `for the file: gupper rollback ./${word}; for the service: gupper rollback --service ${word}`,
    })
  }

  async #rollService(word: string): Promise<number | undefined> {
    const { toVersion: version, context } = this
    if (this.dryRun)
      throw new GupperError('usage', '--dry-run is for the PATH of a program', {
        hint: `see what it could go to: gupper rollback ${word} --list`,
      })
    if (word.includes('@')) return runRemote(this, this.tabular, word)
    const home = homeOfService(stateHome(context.env), word)
    if (this.list) {
      this.columns = keptColumns
      for await (const { to } of ask(home, { verb: 'status' }, context.signal))
        await this.write(listSlots(String(to), { cwd: context.cwd }))
      return undefined
    }
    this.columns = activatedColumns
    await this.write(
      ask(home, { verb: 'rollback', ...(version !== undefined && { version }) }, context.signal),
    )
    return undefined
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

export const commands = [RollbackCommand]
