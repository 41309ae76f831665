import { unwatchFile, watchFile } from 'node:fs'
import { readFile } from 'node:fs/promises'
import * as http from 'node:http'
import { GupperError, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'

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
