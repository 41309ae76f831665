import { join } from 'node:path'
import { GupperError } from '../errors.ts'

/** Where all of a service's state lies, in a directory that only its user may enter. */
export interface ServiceHome {
  name: string
  directory: string
  /** The Unix socket that `status`, `activate` and the others speak to. */
  control: string
  database: string
  lock: string
  /** The token of the web page. */
  token: string
  /** What the programs write. */
  log: string
  /** Pipes of the keeper, and a directory for each program. */
  keeper: string
  /** Room for a program that has to be started on a full disk. */
  reserve: string
}

// sun_path of unix(7) has 108 bytes, and one of them ends it.
const longestSocket = 107

/**
 * Names the places of a service; touches nothing.
 * @param state $XDG_STATE_HOME/gupper
 * @throws GupperError `usage` (64) for a name that is none; `config` (78) where the path of its socket would be too long
 */
export function homeOfService(state: string, name: string): ServiceHome {
  if (!isServiceName(name))
    throw new GupperError('usage', `${JSON.stringify(name)} cannot be the name of a service`, {
      hint: 'letters, digits, dots, dashes and underscores, at most 64',
    })
  const directory = join(servicesOf(state), name)
  const control = join(directory, 'control')
  if (Buffer.byteLength(control) > longestSocket)
    throw new GupperError('config', `the path of the control socket is too long: ${control}`, {
      hint: 'set XDG_STATE_HOME to a shorter path',
    })
  return {
    name,
    directory,
    control,
    database: join(directory, 'state.db'),
    lock: join(directory, 'lock'),
    token: join(directory, 'token'),
    log: join(directory, 'log'),
    keeper: join(directory, 'keeper'),
    reserve: join(directory, 'reserve'),
  }
}

/** Whether a service can have this name. */
export function isServiceName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)
}

/** The directory of all services. */
export function servicesOf(state: string): string {
  return join(state, 'services')
}
