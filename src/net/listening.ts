import { lstat, stat, unlink } from 'node:fs/promises'
import { connect, isIPv6, type AddressInfo, type Server } from 'node:net'
import { dirname } from 'node:path'
import { GupperError, errnoOf } from '../errors.ts'

/** Where to listen: at a port, of all interfaces unless a host is given; or at a Unix socket. */
export type ListenAddress = { host?: string | undefined; port: number } | { path: string }

/** A host as it stands before a port: IPv6 in brackets. */
export function bracket(host: string): string {
  return isIPv6(host) ? `[${host}]` : host
}

/** An address as people write it: "127.0.0.1:8080", ":8080", "unix:/run/app.sock". */
export function formatAddress(address: ListenAddress): string {
  return 'path' in address ? `unix:${address.path}` : `${bracket(address.host ?? '')}:${address.port}`
}

/** A host as this machine itself reaches it: for all interfaces, the loopback one. */
export function loopback(host = ''): string {
  return host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
}

/**
 * Listens. A Unix socket takes the place of one that was left by a process that is gone, and of nothing else.
 * @param flag where the address was given, for the complaint: "--listen"
 * @returns where this machine itself can reach it: "http://localhost:8080", "unix:/run/app.sock"
 * @throws GupperError `unreachable` (69) when the address is taken, not allowed or not this machine's
 */
export async function listenAt(
  server: Server,
  address: ListenAddress,
  { flag, scheme = 'http' }: { flag: string; scheme?: string },
): Promise<string> {
  if ('path' in address) await clearSocket(address.path, flag)
  await new Promise<void>((resolve, reject) => {
    const fail = (error: unknown): void => reject(explainListen(error, address, flag))
    server.once('error', fail)
    server.listen({ ...address, backlog }, () => {
      server.off('error', fail)
      resolve()
    })
  })
  if ('path' in address) return formatAddress(address)
  const { address: host, port } = server.address() as AddressInfo
  const everywhere = host === '::' || host === '0.0.0.0'
  return `${scheme}://${everywhere ? 'localhost' : bracket(host)}:${port}`
}

/** How many connections may wait to be accepted; the system has a limit of its own: net.core.somaxconn. */
export const backlog = 4096

/**
 * Takes away a Unix socket that nobody listens at any more.
 * @throws GupperError `unreachable` (69) when somebody does, or something else is there
 */
export async function clearSocket(path: string, flag: string): Promise<void> {
  // Of a directory that is missing, Node says EACCES.
  await stat(dirname(path)).catch((error: unknown) => {
    throw explainListen(error, { path }, flag)
  })
  const found = await lstat(path).catch(() => undefined)
  if (found === undefined) return
  if (!found.isSocket() || !(await isForsaken(path)))
    throw explainListen({ code: 'EADDRINUSE' }, { path }, flag)
  await unlink(path).catch((error: unknown) => {
    throw explainListen(error, { path }, flag)
  })
}

async function isForsaken(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', (error) => resolve(errnoOf(error) === 'ECONNREFUSED'))
  })
}

const reasons: Record<string, [reason: string, remedy: string]> = {
  EADDRINUSE: ['it is taken', 'stop what listens there, or choose another'],
  EACCES: ['not permitted', 'choose another'],
  EADDRNOTAVAIL: ['this machine has no such address', 'give one of this machine'],
  ENOTFOUND: ['there is no such host', 'give an address of this machine'],
  ENOENT: ['there is no such directory', 'make the directory of the socket first'],
  ENOTDIR: ['a part of the path is not a directory', 'choose another path'],
  EINVAL: ['the path of a socket is not longer than about 100 bytes', 'choose a shorter path'],
}

/** The complaint about an address that cannot be listened on; `unreachable` (69) where the system said why. */
export function explainListen(error: unknown, address: ListenAddress, flag: string): Error {
  const errno = errnoOf(error)
  if (errno === undefined) return error instanceof Error ? error : new Error(String(error))
  const low = errno === 'EACCES' && 'port' in address && address.port < 1024
  const [reason, remedy] = low
    ? ['not permitted', 'ports below 1024 need more rights; choose another']
    : (reasons[errno] ?? [errno, 'choose another'])
  const where =
    'path' in address
      ? address.path
      : `port ${address.port}${address.host === undefined ? '' : ` of ${address.host}`}`
  const hint = `${remedy}: ${flag}`
  return new GupperError('unreachable', `cannot listen on ${where}: ${reason}`, { hint, cause: error })
}
