// A package server that sins. From vitest: startHostileServer('stalls', { files }); from a shell:
// node tests/hostile-server.ts --sin stalls --dir DIR, which prints {"url":…} as its first line.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { commit, isSin, platform, sinNames, type Sin } from './hostile-sins.ts'

export type { Sin } from './hostile-sins.ts'

export interface HostileServer {
  /** http://127.0.0.1:PORT */
  url: string
  /** What was asked, in order. */
  requests: { method: string; url: string; headers: IncomingMessage['headers'] }[]
  /** The record an honest server would give for a file. */
  record(name: string): {
    schema: 1
    name: string
    version: string
    os: string
    arch: string
    file: string
    url: string
    source: string
    size: number
    digest: string
  }
  close(): Promise<void>
}

/**
 * Starts a server on loopback that sins in one way and is honest otherwise: GET /list, GET /download/NAME.
 * @param sin which way
 * @param options the files it has; ms between two bytes of a drip; a key and a certificate to speak TLS
 */
export async function startHostileServer(
  sin: Sin,
  options: { files: Record<string, Buffer>; pace?: number; tls?: { key: string; cert: string } },
): Promise<HostileServer> {
  const { files, pace = 1000, tls } = options
  const requests: HostileServer['requests'] = []
  const visits = new Map<string, number>()
  const handle: RequestListener = (request, response) => {
    const { method = '', url: target = '', headers } = request
    requests.push({ method, url: target, headers })
    const { pathname } = new URL(target, url)
    const name = decodeURIComponent(pathname.replace('/download/', '').replace(/^\//, ''))
    const before = visits.get(name) ?? 0
    visits.set(name, before + 1)
    const bytes = name === 'list' ? Buffer.from(listOf(request)) : files[name]
    if (bytes === undefined) {
      response.writeHead(404).end()
      return
    }
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`
    const offset = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
    commit(sin, { request, response, name, bytes, etag, before, offset, pace, url })
  }
  const server = tls ? createTlsServer(tls, handle) : createServer(handle)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http${tls ? 's' : ''}://127.0.0.1:${(server.address() as AddressInfo).port}`
  const record: HostileServer['record'] = (file) => {
    const bytes = files[file] ?? Buffer.alloc(0)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const address = `${url}/download/${encodeURIComponent(file)}`
    const name = file.split('-')[0] ?? file
    return { ...platform, schema: 1, name, file, url: address, source: url, size: bytes.length, digest }
  }
  const listOf = ({ headers }: IncomingMessage): string => {
    const names = Object.keys(files).sort()
    if (!headers.accept?.includes('application/x-ndjson')) return JSON.stringify(names)
    return names.map((name) => `${JSON.stringify(record(name))}\n`).join('')
  }
  const close = async (): Promise<void> => {
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  return { url, requests, record, close }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { sin: { type: 'string', default: 'none' }, dir: { type: 'string' }, pace: { type: 'string' } },
  })
  const { sin, dir = '.', pace = '1000' } = values
  if (!isSin(sin)) throw new Error(`no such sin: ${sin}; there are: ${sinNames.join(' ')}`)
  const files = Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name))]))
  const { url } = await startHostileServer(sin, { files, pace: Number(pace) })
  writeSync(1, `${JSON.stringify({ url, sin })}\n`)
}
