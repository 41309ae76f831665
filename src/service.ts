import { once } from 'node:events'
import * as net from 'node:net'
import type { AddressInfo } from 'node:net'
import { GupperError, errnoOf } from './errors.ts'
import { Connections, type ServiceServer } from './service/connections.ts'
import { Drain, type DrainCallback, type Drained } from './service/drain.ts'
import { sayReady, takeInheritance, type Inheritance, type InheritedSocket } from './service/inheritance.ts'

export type { DrainCallback, Drained, ServiceServer }

/** How a service listens and ends. */
export interface ListenOptions {
  /** Where to listen when nothing was inherited and PORT is not set; 0 is any that is free. */
  port?: number | undefined
  host?: string | undefined
  /** A Unix socket, instead of port and host. */
  path?: string | undefined
  /** Binds with SO_REUSEPORT, so that two versions can listen on one port at a time. */
  reusePort?: boolean | undefined
  /** ms that a drain takes at most; then what is left is cut, and the process ends. Default 30 000. */
  drain?: number | undefined
  /** ms that an idle connection stays open in a drain, for a request that is on its way. Default 1000. */
  linger?: number | undefined
  /** Which of several inherited sockets: its name in LISTEN_FDNAMES. */
  name?: string | undefined
}

const complain = (message: string): void => void process.stderr.write(`gupper/service: ${message}\n`)
const drainOfAll = new Drain(complain)
// What was inherited is for the server that asks first: a second one, for administration, has its own address.
let inherited: Inheritance | undefined
let pending = 0

/**
 * Listens: on the socket that was inherited (sd_listen_fds(3)), else on PORT and HOST of the environment, else where
 * the options say. Then says that it is ready (GUPPER_READY_FD). From now on SIGTERM, and the first SIGINT, begin a
 * drain: see {@link drain}.
 * @param server of node:http, node:https, node:http2 or node:net, not listening yet
 * @returns its address once it listens; "fd:3" for an inherited Unix socket, whose path Node does not tell
 * @throws GupperError `usage` (64) without a server or an address; `config` (78) when what was inherited is no listening
 *   socket, or none of this name; `unreachable` (69) when the address cannot be had
 */
export async function listen(
  server: ServiceServer,
  options: ListenOptions = {},
): Promise<AddressInfo | string> {
  if (!isServer(server))
    throw new GupperError(
      'usage',
      'listen() takes a server of node:http, node:https, node:http2 or node:net',
      {
        hint: "listen(http.createServer((req, res) => res.end('hello')))",
      },
    )
  if (server.listening)
    throw new GupperError('usage', 'this server listens already', {
      hint: 'leave out server.listen(): listen(server) does it',
    })
  const drainMs = milliseconds('drain', options.drain, 30_000)
  const linger = milliseconds('linger', options.linger, 1000)
  pending++
  try {
    inherited ??= begin()
    const where = choose(inherited, options)
    const connections = new Connections(server, linger)
    await open(server, where)
    drainOfAll.add(connections, drainMs)
    return server.address() ?? ('fd' in where ? `fd:${where.fd}` : '')
  } finally {
    pending--
    if (isListening(server) && pending === 0 && inherited?.ready !== undefined) {
      const { ready } = inherited
      inherited.ready = undefined
      sayReady(ready)
    }
  }
}

/**
 * Calls back when a drain begins, to end what would go on for ever: websockets, streams, timers, workers. At once when
 * it has begun already.
 * @param callback may return a promise, which the drain waits for, within its deadline
 * @returns how not to be called
 */
export function onDrain(callback: DrainCallback): () => void {
  return drainOfAll.onDrain(callback)
}

/**
 * Drains: accepts no new connections, finishes all requests, answers with Connection: close, and closes connections
 * that stay idle for `linger`. The process then ends by itself when nothing else keeps it.
 * @returns when no connection is left and all of `onDrain` is done, or at the deadline, when what was left has been cut
 */
export async function drain(): Promise<Drained> {
  return drainOfAll.begin()
}

type Where =
  { fd: number } | { path: string } | { port: number; host: string | undefined; reusePort: boolean }

function begin(): Inheritance {
  const found = takeInheritance(process.env, process.pid)
  const onSignal = (): void => {
    // A second Ctrl-C ends it at once, as a person who presses it again wants.
    process.removeListener('SIGINT', onSignal)
    if (drainOfAll.begun) return
    const { deadline } = drainOfAll
    void drainOfAll.begin().then(({ inTime }) => {
      if (!inTime) process.exit(process.exitCode ?? 1)
    })
    // All connections are done, but something else goes on: it has the same time.
    setTimeout(() => process.exit(), deadline + 100).unref()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return found
}

function choose(found: Inheritance, options: ListenOptions): Where {
  const { name, path, reusePort = false } = options
  const { sockets, port: given, host: givenHost } = found
  if (sockets.length > 0) {
    const socket = name === undefined ? sockets[0] : sockets.find((one) => one.name === name)
    if (socket) return take(found, socket)
    throw new GupperError('config', `no inherited socket has the name ${JSON.stringify(name)}`, {
      hint: `LISTEN_FDNAMES has: ${sockets.map((one) => one.name).join(', ')}`,
    })
  }
  found.port = undefined
  if (given !== undefined) return { port: given, host: givenHost ?? options.host, reusePort }
  if (path !== undefined) return { path }
  if (options.port !== undefined) return { port: options.port, host: options.host, reusePort }
  throw new GupperError('usage', 'nothing says where to listen', {
    hint: found.note ?? 'set PORT, or give one: listen(server, { port: 8080 })',
  })
}

function take(found: Inheritance, socket: InheritedSocket): Where {
  found.sockets = found.sockets.filter((one) => one !== socket)
  found.port = undefined
  return { fd: socket.fd }
}

async function open(server: ServiceServer, where: Where): Promise<void> {
  try {
    // A long queue: while one version takes over from another, connections wait in it. The system has its own limit.
    server.listen({ ...where, backlog: 4096 })
    await once(server, 'listening')
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    if ('fd' in where)
      throw new GupperError(
        'config',
        `file descriptor ${where.fd}, which LISTEN_FDS tells of, is no listening socket`,
        {
          hint: 'pass a socket on as sd_listen_fds(3) says, or unset LISTEN_FDS',
          cause: error,
        },
      )
    const place = 'path' in where ? where.path : `${where.host ?? '*'}:${where.port}`
    const why: Partial<Record<string, string>> = {
      EADDRINUSE: 'another program listens there',
      EACCES: 'permission denied',
      EADDRNOTAVAIL: 'this machine has no such address',
      ENOTFOUND: 'there is no such host',
    }
    throw new GupperError('unreachable', `cannot listen at ${place}: ${why[errno] ?? errno}`, {
      hint: inherited?.note ?? 'choose another address',
      cause: error,
    })
  }
}

function milliseconds(name: string, given: number | undefined, otherwise: number): number {
  const value = given ?? otherwise
  if (typeof value === 'number' && value >= 0 && value <= 2 ** 31 - 1) return value
  throw new GupperError('usage', `${name} takes milliseconds, not ${JSON.stringify(value)}`, {
    hint: `listen(server, { ${name}: ${otherwise} })`,
  })
}

const isListening = (server: net.Server): boolean => server.listening

// A plain JavaScript program may give anything.
const isServer = (given: unknown): boolean => given instanceof net.Server
