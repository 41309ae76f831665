import { lookup } from 'node:dns/promises'
import { renameSync } from 'node:fs'
import { pid } from 'node:process'
import { Server, type AddressInfo } from 'node:net'
import { GupperError } from '../../errors.ts'
import { backlog, clearSocket, explainListen, type ListenAddress } from '../../net/listening.ts'

const flag = '--listen'

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
  if ('path' in address) await clearSocket(address.path, flag)
  const host = 'path' in address ? undefined : await resolveHost(address)
  const server = new Server()
  // Closing unlinks the socket by the name it was bound to: it gets another one first.
  const path = 'path' in address ? `${address.path}.${pid}` : undefined
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explainListen(error, address, flag)))
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
    throw explainListen(error, { host, port }, flag)
  }
}
