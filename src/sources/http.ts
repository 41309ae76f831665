import { GupperError } from '../errors.ts'
import { createClient, type Client } from '../net/client.ts'
import { readToken } from '../net/token.ts'
import { parseFileName } from '../package/filename.ts'
import { formatFilter } from '../package/filter.ts'
import { silent } from '../package/observer.ts'
import { isFailure, parseItem, type PackageRecord } from '../package/record.ts'
import { parseJson, readLines } from '../package/ndjson.ts'
import type { Source, SourceOptions } from './source.ts'

const maxList = 128 << 20 // bytes; 100,000 packages are about 40 MB of records
const heartbeat = 120_000 // ms; `serve` sends a comment every half minute

/**
 * A package server: gupper's own, which answers with records and filters for us, or the ancestor's, which answers with
 * a JSON array of file names.
 * @param address http(s)://host[:port][/path]
 */
export async function createHttpSource(address: string, options: SourceOptions): Promise<Source> {
  const base = readBase(address)
  const { env, signal, observer = silent, limits } = options
  const token = options.tokenFile === undefined ? undefined : await readToken(options.tokenFile)
  const client = createClient({ env, observer, signal, token, limits })
  const known = new Map<string, string>()
  return {
    url: withoutPassword(base),
    async read(filter) {
      const url = new URL('list', base)
      url.search = formatFilter(filter).toString()
      const etag = known.get(url.href)
      const answer = await client.get(url.href, {
        accept: 'application/x-ndjson, application/json;q=0.5, */*;q=0.1',
        maxBytes: maxList,
        ...(etag !== undefined && { etag }),
      })
      if (answer.status === 304 || answer.body === undefined) return undefined
      // Only after the list was read whole and understood: a broken one must be asked for again.
      const records = await readList(answer.body, base, observer.warn.bind(observer))
      if (answer.etag !== undefined) known.set(url.href, answer.etag)
      return records
    },
    changes: (signal) => openEvents(client, new URL('events', base).href, signal),
    close: () => client.close(),
  }
}

/**
 * Reads the address of a package server.
 * @returns it with a slash at its end, so that addresses below it can be resolved against it
 * @throws GupperError `usage` (64) when it is none
 */
export function readBase(address: string): URL {
  const base = URL.parse(address)
  if (!base)
    throw new GupperError('usage', `${address} is not an address`, { hint: 'write http://host:port' })
  base.search = ''
  base.hash = ''
  base.pathname = `${base.pathname.replace(/\/list$/, '').replace(/\/+$/, '')}/`
  return base
}

/** An address as records may name it: without its password, and without a slash at its end. */
export function withoutPassword(base: URL): string {
  const plain = new URL(base)
  plain.username = ''
  plain.password = ''
  return plain.href.replace(/\/$/, '')
}

async function readList(body: Buffer, base: URL, warn: (message: string) => void): Promise<PackageRecord[]> {
  const start = body.subarray(0, 64).toString().trimStart()
  if (start.startsWith('[')) return readNames(body, base, warn)
  if (start === '') return []
  const records: PackageRecord[] = []
  for await (const { number, text, complaint } of readLines([body] as unknown as AsyncIterable<Buffer>)) {
    try {
      if (text === undefined) throw new Error(complaint)
      const item = parseItem(parseJson(text))
      if (isFailure(item)) throw new Error(item.error.message)
      records.push(adopt(item, base))
    } catch (thrown) {
      const reason =
        thrown instanceof SyntaxError ? 'not JSON' : thrown instanceof Error ? thrown.message : ''
      throw new GupperError(
        'protocol',
        `${withoutPassword(base)} does not answer with packages: line ${number}: ${reason}`,
      )
    }
  }
  return records
}

// What a server says of proofs, paths and installations is no word of ours; and it may not send us to local files, not as
// to mirrors either.
function adopt(record: PackageRecord, base: URL): PackageRecord {
  const { proofs: _proofs, path: _path, installed: _installed, watched: _watched, mirrors, ...rest } = record
  // Not against `base`: a password in the address that was given must not end up in records.
  const url = URL.parse(record.url ?? downloadPath(record.file), `${withoutPassword(base)}/`)
  if (!url || !/^https?:$/.test(url.protocol))
    throw new GupperError('protocol', `${record.file} has an address that is not of a server`)
  const others = mirrors?.filter((mirror) => /^https?:/i.test(mirror))
  return { ...rest, url: url.href, source: withoutPassword(base), ...(others && { mirrors: others }) }
}

function downloadPath(file: string): string {
  return `download/${encodeURIComponent(file)}`
}

function readNames(body: Buffer, base: URL, warn: (message: string) => void): PackageRecord[] {
  const source = withoutPassword(base)
  const broken = (): GupperError =>
    new GupperError('protocol', `${source} does not answer with a list of file names`)
  let names: unknown
  try {
    names = JSON.parse(body.toString())
  } catch {
    throw broken()
  }
  if (!Array.isArray(names)) throw broken()
  const records: PackageRecord[] = []
  let strange = 0
  for (const file of names as unknown[]) {
    if (typeof file !== 'string') throw broken()
    const parts = parseFileName(file)
    if (!parts) strange++
    else {
      const { name, version, os, arch } = parts
      const url = new URL(downloadPath(file), source + '/').href
      records.push({ schema: 1, name, version, os, arch, file, url, source })
    }
  }
  if (strange > 0)
    warn(`${source}: ${strange} of ${names.length} names are not those of packages and are left out`)
  return records
}

/**
 * Listens to a server's events (HTML Living Standard, 9.2).
 * @returns something for each event; undefined where the server has none
 */
export async function openEvents(
  client: Client,
  url: string,
  signal: AbortSignal,
): Promise<AsyncIterable<unknown> | undefined> {
  const answer = await client
    .stream(url, { accept: 'text/event-stream', signal, idle: heartbeat, tries: 1 })
    .catch((error: unknown) => {
      // A server of plain files: asking it again would not help.
      if (error instanceof GupperError && error.code === 'not-found') return undefined
      throw error
    })
  if (!answer) return undefined
  const { status, headers, body } = answer
  if (status === 200 && headers.get('content-type')?.startsWith('text/event-stream')) return readEvents(body)
  await body[Symbol.asyncIterator]().return?.()
  return undefined
}

// Only that something happened is of interest: what there is now is read anew. (HTML Living Standard, 9.2.6)
async function* readEvents(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  for await (const { text } of readLines(body)) if (text?.startsWith('data:')) yield text
}
