import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { GupperError, errnoOf, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import { bracket } from './origin.ts'

/** Paths of a certificate and its key, PEM. */
export interface TlsFiles {
  cert: string
  key: string
}

// Who has not sent a whole request by then is not going to (slowloris).
const limits = {
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 5_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 << 10,
  optimizeEmptyRequests: true, // nobody listens to the body of a GET: a tenth of the work of a poll
}
const idle = 120_000 // ms without a byte, in the middle of an answer
const mostConnections = 10_000

/**
 * Makes the HTTP or HTTPS server, with its limits, not yet listening.
 * @throws GupperError `cannot-read` (69) or `config` (78) about the certificate or key
 */
export async function makeHttpServer(
  tls: TlsFiles | undefined,
  observer: Observer,
): Promise<{ server: http.Server; forget: () => void }> {
  if (!tls) return { server: limit(http.createServer(limits)), forget: () => undefined }
  const https = await import('node:https')
  const { cert, key } = await readTls(tls)
  try {
    const server = https.createServer({ ...limits, cert, key })
    // A renewed certificate counts at once, for new connections.
    const renew = (): void => {
      readTls(tls)
        .then((files) => server.setSecureContext(files))
        .catch((error: unknown) => observer.warn(`the certificate known before stays: ${String(error)}`))
    }
    for (const file of [tls.cert, tls.key]) watchFile(file, { persistent: false, interval: 5000 }, renew)
    const forget = (): void => {
      for (const file of [tls.cert, tls.key]) unwatchFile(file, renew)
    }
    return { server: limit(server), forget }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const message = `${tls.cert} and ${tls.key} are no certificate and its key: ${why}`
    throw new GupperError('config', message, { hint: 'both are PEM files', cause: error })
  }
}

function limit(server: http.Server): http.Server {
  server.timeout = idle
  server.maxConnections = mostConnections
  return server
}

async function readTls({ cert, key }: TlsFiles): Promise<{ cert: Buffer; key: Buffer }> {
  return {
    cert: await explaining(`cannot read the certificate ${cert}`, () => readFile(cert), true),
    key: await explaining(`cannot read the key ${key}`, () => readFile(key), true),
  }
}

/**
 * Listens.
 * @param host undefined: on all interfaces, IPv6 and IPv4 as far as the machine has them
 * @param port 0: any that is free
 * @returns where this machine itself can reach it: "http://localhost:8080"
 * @throws GupperError `unreachable` (69) when the port is taken or not allowed, or the host is not this machine's
 */
export async function listen(
  server: http.Server,
  host: string | undefined,
  port: number,
  scheme: 'http' | 'https',
): Promise<string> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ port, backlog: 1024, ...(host !== undefined && { host }) }, () => {
        server.off('error', reject)
        resolve()
      })
    })
  } catch (error) {
    throw explainListen(error, host, port)
  }
  const { address, port: bound } = server.address() as AddressInfo
  const everywhere = address === '::' || address === '0.0.0.0'
  return `${scheme}://${everywhere ? 'localhost' : bracket(address)}:${bound}`
}

function explainListen(error: unknown, host: string | undefined, port: number): unknown {
  const errno = errnoOf(error)
  const where = `port ${port}${host === undefined ? '' : ` of ${host}`}`
  const why: Record<string, [string, string]> = {
    EADDRINUSE: [
      'it is taken',
      'stop what listens there, or choose another: --port PORT (0 takes any that is free)',
    ],
    EACCES: ['not permitted', 'ports below 1024 need more rights; choose another: --port PORT'],
    EADDRNOTAVAIL: [
      'this machine has no such address',
      'give an address of this machine, or leave --host out',
    ],
    ENOTFOUND: ['there is no such host', 'give an address of this machine, or leave --host out'],
  }
  if (errno === undefined) return error
  const [reason, hint] = why[errno] ?? [errno, 'check --host and --port']
  return new GupperError('unreachable', `cannot listen on ${where}: ${reason}`, { hint, cause: error })
}
