import { closeSync, fstatSync, readlinkSync, writeSync } from 'node:fs'
import { GupperError } from '../errors.ts'

/** A listening socket that was passed on to this process. */
export interface InheritedSocket {
  fd: number
  name: string
}

/** What this process was given by who started it. */
export interface Inheritance {
  sockets: InheritedSocket[]
  /** Where to listen, when there is no socket. */
  port: number | undefined
  host: string | undefined
  /** The descriptor that a newline is written to once it is ready. */
  ready: number | undefined
  /** Why sockets that were meant for somebody were not taken. */
  note: string | undefined
}

type Environment = Record<string, string | undefined>

const firstSocket = 3 // SD_LISTEN_FDS_START
const mostSockets = 1000

/**
 * Takes what was inherited out of the environment, so that no child of this process takes it for its own:
 * sd_listen_fds(3), PORT and HOST, and GUPPER_READY_FD.
 * @param env the environment; loses LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES and GUPPER_READY_FD
 * @param pid this process
 * @throws GupperError `config` (78) for numbers that are none
 */
export function takeInheritance(env: Environment, pid: number): Inheritance {
  const { LISTEN_FDS: count, LISTEN_PID: meant, LISTEN_FDNAMES: names, GUPPER_READY_FD: ready } = env
  for (const name of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'GUPPER_READY_FD'])
    Reflect.deleteProperty(env, name)
  const mine = count !== undefined && meant === String(pid)
  return {
    sockets: mine ? socketsOf(count, names) : [],
    port: readNumber('PORT', env.PORT, 0, 65_535),
    host: env.HOST === '' ? undefined : env.HOST,
    ready: readNumber('GUPPER_READY_FD', ready, firstSocket, 1 << 20),
    note:
      count === undefined || mine
        ? undefined
        : `a socket was passed on to process ${meant ?? '(LISTEN_PID is not set)'}, and this is ${pid}: start it with exec, without a shell or npm between`,
  }
}

function socketsOf(count: string, names: string | undefined): InheritedSocket[] {
  const length = readNumber('LISTEN_FDS', count, 0, mostSockets) ?? 0
  const named = names?.split(':') ?? []
  return Array.from({ length }, (_, index) => ({ fd: firstSocket + index, name: named[index] ?? 'unknown' }))
}

function readNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined || text === '') return undefined
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1
  if (number >= least && number <= most) return number
  throw new GupperError(
    'config',
    `${name} is ${JSON.stringify(text)}, not a number from ${least} to ${most}`,
    {
      hint: `correct the environment variable ${name}, or unset it`,
    },
  )
}

/**
 * Says that this process is ready: writes a newline to the descriptor and closes it (s6's notification protocol).
 * A descriptor that is neither a named pipe nor a file is left alone: the variable came without it, through a process
 * that closes what it does not know, and the number may be one of Node's own by now.
 */
export function sayReady(fd: number): void {
  try {
    if (!isForUs(fd)) return
    writeSync(fd, '\n')
    closeSync(fd)
  } catch {
    // Nobody listens any more, or never did: whoever waits for the line will say what it misses.
  }
}

function isForUs(fd: number): boolean {
  const stats = fstatSync(fd)
  return stats.isFile() || (stats.isFIFO() && !isAnonymous(fd))
}

// libuv has anonymous pipes of its own, and a byte in one of them that it did not write ends the process.
function isAnonymous(fd: number): boolean {
  try {
    return !readlinkSync(`/proc/self/fd/${fd}`).startsWith('/')
  } catch {
    return false
  }
}
