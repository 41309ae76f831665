import { lstat, unlink } from 'node:fs/promises'
import * as http from 'node:http'
import { connect, isIPv6, type AddressInfo } from 'node:net'
import { GupperError, errnoOf } from '../errors.ts'
import type { ListenAddress } from './proxy.ts'

// Who has not sent the head of a request by then is not going to (slowloris). A body may take as long as it likes, and
// so may an answer; who has gone without a word is found out by the probes of TCP.
const limits = {
  headersTimeout: 15_000,
  requestTimeout: 0,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 65_000,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
  maxHeaderSize: 64 << 10,
  optimizeEmptyRequests: true, // nobody listens to the body of a GET
}

/**
 * Makes the server at which clients arrive, not yet listening.
 * @param shouldUpgrade whether a request that offers to speak another protocol may do so
 */
export function makeServer(shouldUpgrade: (req: http.IncomingMessage) => boolean): http.Server {
  const server = http.createServer({ ...limits, shouldUpgradeCallback: shouldUpgrade })
  server.timeout = 0
  server.maxHeadersCount = 0 // they are limited by their size; one that is left out could be the length of the body
  return server
}

/**
 * Listens on a port, or on a Unix socket; the socket that a dead process left behind is replaced.
 * @returns where this machine itself can reach it: "http://127.0.0.1:8080", "unix:/run/app.sock"
 * @throws GupperError `unreachable` (69) when the address is taken, not allowed or not this machine's
 */
export async function listen(server: http.Server, address: ListenAddress): Promise<string> {
  try {
    await bind(server, address)
  } catch (error) {
    if (!('path' in address) || errnoOf(error) !== 'EADDRINUSE' || !(await isLeftBehind(address.path)))
      throw explain(error, address)
    await unlink(address.path).catch(() => undefined)
    await bind(server, address).catch((again: unknown) => {
      throw explain(again, address)
    })
  }
  if ('path' in address) return `unix:${address.path}`
  const { address: host, port } = server.address() as AddressInfo
  const everywhere = host === '::' || host === '0.0.0.0'
  return `http://${everywhere ? 'localhost' : isIPv6(host) ? `[${host}]` : host}:${port}`
}

function bind(server: http.Server, address: ListenAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ ...address, backlog: 4096 }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

// A file that is no socket is refused too when one connects to it: it is somebody's.
async function isLeftBehind(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined)
  if (!stats?.isSocket()) return false
  return new Promise((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(errnoOf(error) === 'ECONNREFUSED'))
  })
}

const reasons: Record<string, [string, string]> = {
  EADDRINUSE: ['it is taken', 'stop what listens there, or choose another address: --listen ADDRESS'],
  EACCES: ['not permitted', 'choose another address: --listen ADDRESS'],
  EADDRNOTAVAIL: ['this machine has no such address', 'give an address of this machine'],
  ENOTFOUND: ['there is no such host', 'give an address of this machine'],
  ENOENT: ['there is no such directory', 'make the directory of the socket first'],
  EINVAL: ['the path of a socket is not longer than about 100 bytes', 'choose a shorter path'],
}

function explain(error: unknown, address: ListenAddress): unknown {
  const errno = errnoOf(error)
  if (errno === undefined) return error
  const { host = '', port } = 'path' in address ? { host: '', port: 0 } : address
  const where = 'path' in address ? address.path : `port ${port}${host === '' ? '' : ` of ${host}`}`
  const [reason, hint] = reasons[errno] ?? [errno, 'check --listen']
  return new GupperError('unreachable', `cannot listen on ${where}: ${reason}`, { hint, cause: error })
}
