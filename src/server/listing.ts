import { createHash } from 'node:crypto'
import { GupperError } from '../errors.ts'
import { parseFilter } from '../package/filter.ts'
import type { PackageRecord } from '../package/record.ts'
import type { Catalog } from './catalog.ts'
import { weigh } from './conditions.ts'
import type { Answers, Exchange, Headers } from './exchange.ts'
import { downloadUrl } from './origin.ts'

/** An answer made in advance, good until the catalog changes. */
interface Body {
  etag: string
  bytes: Buffer
  /** Of the answer with the body, and of the one that says "not modified". */
  full: Headers
  unmodified: Headers
}

const mostBodies = 64
const mostBytes = 32 << 20

/** What a package looks like from the place of a client: the record with its URL there. */
export function located(record: PackageRecord, base: string): PackageRecord {
  const { schema, name, version, os, arch, file } = record
  return {
    schema,
    name,
    version,
    os,
    arch,
    file,
    url: downloadUrl(base, file),
    source: base,
    size: record.size ?? 0,
    digest: record.digest ?? '',
    published: record.published ?? '',
  }
}

/**
 * Serves `GET /list`. Its bodies are made once and kept until the catalog changes, so that a poll costs the same however
 * many packages there are.
 */
export class Listing {
  readonly #catalog: Catalog
  readonly #answers: Answers
  readonly #bodies = new Map<string, Body>()
  #bytes = 0
  #generation = -1

  constructor(catalog: Catalog, answers: Answers) {
    this.#catalog = catalog
    this.#answers = answers
  }

  /**
   * Answers GET and HEAD: names as JSON, or with `Accept: application/x-ndjson` records.
   * @param base the address of this server as the client knows it; undefined when it cannot be told
   */
  serve(exchange: Exchange, base: () => string | undefined): void {
    const { req } = exchange
    const { url = '/list' } = req
    if (this.#generation !== this.#catalog.generation) this.#clear()
    const wantsRecords = req.headers.accept?.includes('application/x-ndjson') === true
    const place = wantsRecords ? base() : ''
    if (place === undefined) {
      this.#answers.refuse(exchange, 400, 'the Host field names no host')
      return
    }
    const key = wantsRecords ? `${place} ${url}` : url
    let body = this.#bodies.get(key)
    if (!body) {
      try {
        body = this.#make(url, wantsRecords ? place : undefined)
      } catch (error) {
        if (!(error instanceof GupperError)) throw error
        this.#answers.refuse(exchange, 400, error.message)
        return
      }
      this.#keep(key, body)
    }
    const noneMatch = req.headers['if-none-match']
    if (noneMatch === body.etag) {
      this.#answers.send(exchange, 304, body.unmodified)
      return
    }
    const status = weigh(req.headers, body)
    if (status === 304) this.#answers.send(exchange, 304, body.unmodified)
    else if (status === 412) this.#answers.refuse(exchange, 412, 'the list is another one by now')
    else this.#answers.send(exchange, 200, body.full, body.bytes)
  }

  #make(url: string, base: string | undefined): Body {
    const at = url.indexOf('?')
    const query = new URLSearchParams(at < 0 ? '' : url.slice(at + 1))
    // The ancestor's clients choose themselves, so without any word about it they get everything.
    const filter = parseFilter(query)
    if (base === undefined && Object.keys(filter).length === 0) filter.all = true
    const records = this.#catalog.choose(filter)
    const text =
      base === undefined
        ? `${JSON.stringify(records.map(({ file }) => file).sort())}\n`
        : records.map((record) => `${JSON.stringify(located(record, base))}\n`).join('')
    return makeBody(text, base === undefined ? 'application/json' : 'application/x-ndjson')
  }

  #clear(): void {
    this.#bodies.clear()
    this.#bytes = 0
    this.#generation = this.#catalog.generation
  }

  #keep(key: string, body: Body): void {
    if (this.#bodies.size >= mostBodies || this.#bytes + body.bytes.length > mostBytes) this.#clear()
    this.#bodies.set(key, body)
    this.#bytes += body.bytes.length
  }
}

function makeBody(text: string, type: string): Body {
  const bytes = Buffer.from(text)
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 32)}"`
  const unmodified = ['ETag', etag, 'Vary', 'Accept', 'Cache-Control', 'no-cache']
  const content = ['Content-Type', type, 'X-Content-Type-Options', 'nosniff']
  const full = [...unmodified, ...content, 'Content-Length', String(bytes.length)]
  return { etag, bytes, unmodified, full }
}
