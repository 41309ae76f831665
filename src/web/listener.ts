import { chmod } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { explaining } from '../errors.ts'
import { listenAt, type ListenAddress } from '../net/listening.ts'

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
 * Listens: by default on this machine's own address; at a Unix socket that is this user's alone.
 * @returns where it can be reached: "http://127.0.0.1:9000", "unix:/run/web.sock"
 * @throws GupperError `unreachable` (69) when the place is taken or not allowed; `cannot-write` (73) at a path
 */
export async function listen(server: Server, address: ListenAddress): Promise<string> {
  const url = await listenAt(server, 'path' in address ? address : { host: '127.0.0.1', ...address }, {
    flag: '--web',
  })
  if ('path' in address) await explaining(`cannot protect ${address.path}`, () => chmod(address.path, 0o600))
  return url
}
