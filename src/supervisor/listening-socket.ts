import { lookup } from 'node:dns/promises'
import { renameSync } from 'node:fs'
import { pid } from 'node:process'
import { createConnection, Server, type AddressInfo } from 'node:net'
import { formatAddress } from '../activations/address.ts'
import { GupperError, errnoOf } from '../errors.ts'
import type { ListenAddress } from '../proxy/proxy.ts'

const backlog = 4096 // the system has a limit of its own: net.core.somaxconn

/**
 * Reads where to listen: `8080`, `:8080`, `HOST:8080`, `[::1]:8080`, `unix:/path`.
 * @param flag where it was given, for the complaint
 * @throws GupperError `usage` (64)
 */
export function parseListen(text: string, flag: string): ListenAddress {
  if (text.startsWith('unix:/')) return { path: text.slice(5) }
  const match = /^(?:(?:\[([^\]]+)\]|([^:]*)):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535)
    throw new GupperError('usage', `${flag} takes an address to listen on, not "${text}"`, {
      hint: 'e.g. 8080, 127.0.0.1:8080, [::1]:8080 or unix:/run/app.sock',
    })
  const host = match[1] ?? match[2]
  return host === undefined || host === '' ? { port } : { host, port }
}

/**
 * Binds an address and listens there, for somebody else: connections wait until a program that inherits the socket takes
 * them. Here it is closed as soon as `pass` returns, before Node could accept any.
 * @param pass gives the descriptor to a child; it must not wait for anything
 * @returns what `pass` returned, and where it really listens: the port that was chosen for 0
 * @throws GupperError `unreachable` (69) when the address is taken, or not this machine's
 */
export async function openListening<T>(
  address: ListenAddress,
  pass: (fd: number) => T,
): Promise<{ passed: T; bound: ListenAddress }> {
  if ('path' in address) await refuseTaken(address)
  const host = 'path' in address ? undefined : await resolveHost(address)
  const server = new Server()
  // Closing unlinks the socket by the name it was bound to: it gets another one first.
  const path = 'path' in address ? `${address.path}.${pid}` : undefined
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, address)))
    // This is called before the turn of the event loop in which connections would be accepted.
    server.once('listening', () => {
      const { _handle: handle } = server as unknown as { _handle: { fd: number; close(): void } }
      try {
        const bound = server.address() as AddressInfo
        const passed = pass(handle.fd)
        if ('path' in address && path !== undefined) renameSync(path, address.path)
        resolve({ passed, bound: 'path' in address ? address : { ...address, port: bound.port } })
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      } finally {
        // Not server.close(), which would wait for that turn.
        handle.close()
      }
    })
    const where = 'path' in address ? { path } : { host, port: address.port }
    server.listen({ ...where, backlog, exclusive: true })
  })
}

async function resolveHost({
  host,
  port,
}: {
  host?: string | undefined
  port: number
}): Promise<string | undefined> {
  if (host === undefined) return undefined
  try {
    return (await lookup(host)).address
  } catch (error) {
    throw explainListen(error, { host, port })
  }
}

async function refuseTaken(address: { path: string }): Promise<void> {
  const taken = await new Promise<boolean>((resolve) => {
    const socket = createConnection(address.path, () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
  if (taken) throw explainListen({ code: 'EADDRINUSE' }, address)
}

const reasons: Record<string, [reason: string, hint: string]> = {
  EADDRINUSE: ['it is taken', 'stop what listens there, or choose another: --listen ADDR'],
  EACCES: ['not permitted', 'ports below 1024 need more rights; choose another: --listen ADDR'],
  EADDRNOTAVAIL: ['this machine has no such address', 'give an address of this machine: --listen ADDR'],
  ENOTFOUND: ['there is no such host', 'give an address of this machine: --listen ADDR'],
}

/** The complaint about an address that cannot be listened on. */
export function explainListen(error: unknown, address: ListenAddress): Error {
  const errno = errnoOf(error)
  if (errno === undefined) return error instanceof Error ? error : new Error(String(error))
  const [reason, hint] = reasons[errno] ?? [errno, 'check --listen']
  return new GupperError('unreachable', `cannot listen on ${formatAddress(address)}: ${reason}`, {
    hint,
    cause: error,
  })
}
