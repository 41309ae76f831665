import { chmod, lstat, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type ListenOptions } from 'node:net'
import { GupperError, errnoOf, explaining } from '../errors.ts'
import { bracket } from './access.ts'

/** Where to listen: on an address, by default that of this machine alone, or at a Unix socket. */
export type WebAddress = { host?: string | undefined; port: number } | { path: string }

// Who has not sent a whole request by then is not going to (slowloris).
const limits = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 << 10,
}
const idle = 120_000 // ms without a byte, in the middle of an answer
const mostConnections = 500

/** Makes the HTTP server, with its limits, not yet listening. */
export function makeHttpServer(): Server {
  const server = createServer(limits)
  server.timeout = idle
  server.maxConnections = mostConnections
  return server
}

/**
 * Listens. A Unix socket is this user's alone, and takes the place of one that nobody listens at any more.
 * @returns where it can be reached: "http://127.0.0.1:9000", "unix:/run/web.sock"
 * @throws GupperError `unreachable` (69) when the place is taken or not allowed; `cannot-write` (73) at a path
 */
export async function listen(server: Server, address: WebAddress): Promise<string> {
  if ('path' in address) {
    const { path } = address
    await listenAt(server, { path }, path).catch(async (error: unknown) => {
      if (errnoOf((error as Error).cause) !== 'EADDRINUSE' || !(await isForsaken(path))) throw error
      await explaining(`cannot replace ${path}`, () => rm(path, { force: true }))
      await listenAt(server, { path }, path)
    })
    await explaining(`cannot protect ${path}`, () => chmod(path, 0o600))
    return `unix:${path}`
  }
  const { host = '127.0.0.1', port } = address
  await listenAt(server, { host, port }, `port ${port} of ${host}`)
  const bound = server.address() as AddressInfo
  const everywhere = bound.address === '::' || bound.address === '0.0.0.0'
  return `http://${everywhere ? 'localhost' : bracket(bound.address)}:${bound.port}`
}

async function listenAt(server: Server, options: ListenOptions, where: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(options, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === undefined) throw error
    const reason = reasons[errno] ?? errno
    const hint = 'give another address for the page: --web HOST:PORT'
    throw new GupperError('unreachable', `cannot listen on ${where}: ${reason}`, { hint, cause: error })
  }
}

const reasons: Record<string, string> = {
  EADDRINUSE: 'it is taken',
  EACCES: 'not permitted',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no such host',
  ENOENT: 'there is no such directory',
}

/** Whether a socket was left behind by one who was killed. */
async function isForsaken(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined)
  if (!stats?.isSocket()) return false
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => resolve(false))
    socket.once('error', (error) => resolve(errnoOf(error) === 'ECONNREFUSED'))
    socket.once('close', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}
