import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Option } from 'clipanion'
import { GupperError, errnoOf } from '../errors.ts'
import { ask } from '../supervisor/client.ts'
import type { ControlRequest } from '../supervisor/control.ts'
import { homeOfService, type ServiceHome } from '../supervisor/home.ts'
import { GupperCommand } from './command.ts'
import { stateHome } from './homes.ts'

const unreachable = 255 // what ssh ends with when it is itself that failed

/** A verb on services, here or on another machine: `NAME` or `NAME@HOST`. */
export abstract class ServicesCommand extends GupperCommand {
  /**
   * Does the work on the service that a word names.
   * @param all the words of the call that name services
   */
  protected async on(word: string, all: readonly string[] = [word]): Promise<number | undefined> {
    if (word.includes('@')) return runRemote(this, this.tabular, word, all)
    return this.here(homeOfService(stateHome(this.context.env), word))
  }

  /** Does the work on a service of this machine. */
  protected abstract here(home: ServiceHome): Promise<number | undefined>

  /** Asks the supervisor, and writes what it answers. */
  protected async ask(home: ServiceHome, request: ControlRequest): Promise<void> {
    await this.write(ask(home, request, this.context.signal))
  }
}

/** A verb on one service. */
export abstract class ServiceCommand extends ServicesCommand {
  service = Option.String({ name: 'NAME', required: false })

  async run(): Promise<number | undefined> {
    const { service } = this
    if (service === undefined || service === '')
      throw new GupperError('usage', 'no service is given', { hint: `e.g.: gupper ${this.step} web` })
    return this.on(service)
  }
}

/**
 * Runs the verb that was called on another machine, over the user's own ssh, whose streams are ours.
 * @param tabular whether the other side shall write a table, since it cannot see our terminal
 * @param given `NAME@HOST`
 * @param all the words of the call that name services: the other side is asked about its own only
 * @returns the exit status of the other side
 * @throws GupperError `usage` (64), `unreachable` (69), `config` (78) without ssh
 */
export async function runRemote(
  { context }: Pick<GupperCommand, 'context'>,
  tabular: boolean,
  given: string,
  all: readonly string[] = [given],
): Promise<number> {
  const at = given.indexOf('@')
  const name = given.slice(0, at)
  const host = given.slice(at + 1)
  // A host that begins with a dash would be an option of ssh.
  if (!/^[A-Za-z0-9_[][^\s]*$/.test(host))
    throw new GupperError('usage', `"${host}" is not a host`, { hint: 'e.g.: gupper status web@server' })
  const { words, signal } = context
  const [verb = '', ...rest] = words
  const flags = rest.filter((word, i) => !all.includes(word) || valued.has(rest[i - 1] ?? ''))
  const line = ['gupper', verb, name, ...flags, ...(tabular ? ['--text'] : [])].map(quote).join(' ')
  const ssh = spawn('ssh', [host, line], { stdio: 'inherit', signal, killSignal: 'SIGTERM' })
  try {
    const [status, ended] = (await once(ssh, 'close')) as [number | null, NodeJS.Signals | null]
    if (status === unreachable)
      throw new GupperError('unreachable', `ssh could not reach ${host}`, {
        hint: `try: ssh ${host} gupper --version`,
      })
    if (status === null) throw new GupperError('unreachable', `ssh was ended by ${ended ?? 'a signal'}`)
    return status
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
    throw new GupperError('config', 'there is no ssh in PATH', {
      hint: 'install an SSH client',
      cause: error,
    })
  }
}

// What stands behind these is none of the services, even where one has that name.
const valued = new Set(['--count', '--log'])

/** A word as the shell at the other side takes it. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
