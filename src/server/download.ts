import { randomBytes } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { digestOf } from '../package/digest.ts'
import type { Catalog } from './catalog.ts'
import { httpDate, rangeCounts, weigh } from './conditions.ts'
import { sameBytes, stampOf, type Entry } from './entry.ts'
import type { Answers, Exchange, Headers } from './exchange.ts'
import { CutOff, sendPieces, type Piece } from './file-body.ts'
import { openPackage, smallFile } from './hash.ts'
import { contentRange, parseRange, type ByteRange } from './range.ts'
import { SmallFiles, type SmallFile } from './small-files.ts'

/** What downloads work with. */
export interface DownloadOptions {
  dir: string
  catalog: Pick<Catalog, 'get'>
  answers: Answers
  /** Told when a file is not what the catalog says. */
  touch: (file: string) => void
}

/** How an answer's body is cut: the whole, one range, or several in parts of their own. */
interface Plan {
  status: 200 | 206
  headers: Headers
  pieces: Piece[]
}

const retry = ['Retry-After', '2'] as const
const typeOf = ({ type = 'application/octet-stream' }: Entry): string => type

/**
 * Serves the bytes of files that are in the catalog; nothing else can be reached, since the name is looked up there and
 * never made into a path unless it is found.
 */
export class Downloads {
  readonly #options: DownloadOptions
  readonly #small = new SmallFiles()

  constructor(options: DownloadOptions) {
    this.#options = options
  }

  /**
   * Answers GET and HEAD of one file.
   * @param name as it stands in the URL, still percent-encoded
   */
  serve(exchange: Exchange, name: string): void {
    const { catalog, answers } = this.#options
    const entry = catalog.get(name.includes('%') ? decode(name) : name)
    if (!entry) {
      answers.refuse(exchange, 404, 'no such package')
      return
    }
    this.send(exchange, entry)
  }

  /** Answers GET and HEAD of a file that was found already. */
  send(exchange: Exchange, entry: Entry): void {
    const { answers } = this.#options
    const kept = this.#small.get(entry)
    const { headers } = exchange.req
    if (kept && !isParticular(headers)) {
      answers.send(exchange, 200, kept.headers, kept.bytes)
      return
    }
    const validators = { etag: `"${entry.digest}"`, modified: entry.modified }
    const status = weigh(headers, validators)
    if (status === 304) {
      answers.send(exchange, 304, validatorHeaders(entry))
      return
    }
    if (status === 412) {
      answers.refuse(exchange, 412, 'the package is another one by now')
      return
    }
    if (exchange.req.method === 'HEAD') {
      answers.send(exchange, 200, wholeHeaders(entry))
      return
    }
    const counts = headers.range !== undefined && rangeCounts(headers['if-range']?.toString(), validators)
    const ranges = counts ? parseRange(headers.range ?? '', entry.size) : undefined
    if (ranges === 'unsatisfiable') {
      answers.refuse(exchange, 416, 'no such range', ['Content-Range', `bytes */${entry.size}`])
      return
    }
    const plan = makePlan(entry, ranges)
    if (kept) {
      answers.send(exchange, plan.status, plan.headers, cut(kept.bytes, plan.pieces))
      return
    }
    void this.#sendFile(exchange, entry, plan)
  }

  async #sendFile(exchange: Exchange, entry: Entry, plan: Plan): Promise<void> {
    const { dir, answers, touch } = this.#options
    answers.counters.downloads++
    let file: FileHandle | undefined
    try {
      file = await openPackage(join(dir, entry.file))
      if (!(await isUnchanged(file, entry))) throw new CutOff('the file has changed')
      if (entry.size <= smallFile) await this.#sendSmall(exchange, entry, plan, file)
      else await this.#sendLarge(exchange, entry, plan, file)
    } catch (error) {
      touch(entry.file)
      const { res } = exchange
      if (res.headersSent) res.destroy()
      else if (isMissing(error)) answers.refuse(exchange, 404, 'no such package')
      else answers.refuse(exchange, 503, 'the package cannot be read right now; try again', retry)
    } finally {
      answers.counters.downloads--
      await file?.close().catch(() => undefined)
    }
  }

  async #sendSmall(exchange: Exchange, entry: Entry, plan: Plan, file: FileHandle): Promise<void> {
    const bytes = Buffer.allocUnsafeSlow(entry.size)
    const { bytesRead } = await file.read(bytes, 0, entry.size, 0)
    if (bytesRead !== entry.size || digestOf(bytes) !== entry.digest) throw new CutOff('the file has changed')
    const small: SmallFile = { entry, bytes, headers: wholeHeaders(entry) }
    if (this.#options.catalog.get(entry.file) === entry) this.#small.add(small)
    this.#options.answers.send(exchange, plan.status, plan.headers, cut(bytes, plan.pieces))
  }

  async #sendLarge(exchange: Exchange, entry: Entry, plan: Plan, file: FileHandle): Promise<void> {
    const { answers } = this.#options
    const { req, res } = exchange
    let bytes = 0
    res.on('error', () => undefined) // the client has gone: sendPieces tells
    answers.head(exchange, plan.status, plan.headers)
    try {
      await sendPieces(plan.pieces, {
        file,
        res,
        socket: req.socket,
        unchanged: () => isUnchanged(file, entry),
        sent: (length) => (bytes += length),
      })
      res.end()
    } finally {
      answers.finish(exchange, plan.status, bytes)
    }
  }
}

async function isUnchanged(file: FileHandle, entry: Entry): Promise<boolean> {
  return sameBytes(stampOf(await file.stat({ bigint: true })), entry.stamp)
}

function isMissing(error: unknown): boolean {
  const errno = errnoOf(error)
  return errno === 'ENOENT' || errno === 'ELOOP' || errno === 'ENOTDIR'
}

/** Whether a request asks for something else than the whole, whatever it has. */
function isParticular(headers: Exchange['req']['headers']): boolean {
  return (
    headers.range !== undefined ||
    headers['if-none-match'] !== undefined ||
    headers['if-modified-since'] !== undefined ||
    headers['if-match'] !== undefined ||
    headers['if-unmodified-since'] !== undefined
  )
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return ''
  }
}

function validatorHeaders({ digest, modified, cache = 'no-cache' }: Entry): string[] {
  const repr = Buffer.from(digest.slice(7), 'hex').toString('base64')
  return [
    'ETag',
    `"${digest}"`,
    'Last-Modified',
    httpDate(modified),
    'Repr-Digest', // RFC 9530
    `sha-256=:${repr}:`,
    'Accept-Ranges',
    'bytes',
    'Cache-Control',
    cache,
    'X-Content-Type-Options',
    'nosniff',
  ]
}

function wholeHeaders(entry: Entry): string[] {
  return [...validatorHeaders(entry), 'Content-Type', typeOf(entry), 'Content-Length', String(entry.size)]
}

function makePlan(entry: Entry, ranges: ByteRange[] | undefined): Plan {
  const { size } = entry
  const [first, second] = ranges ?? []
  if (!ranges || !first)
    return { status: 200, headers: wholeHeaders(entry), pieces: [{ start: 0, length: size }] }
  if (second) return makeParts(entry, ranges)
  const length = first.end - first.start + 1
  const range = ['Content-Range', contentRange(first, size), 'Content-Length', String(length)]
  return {
    status: 206,
    headers: [...validatorHeaders(entry), 'Content-Type', typeOf(entry), ...range],
    pieces: [{ start: first.start, length }],
  }
}

/** multipart/byteranges, RFC 9110 §14.6. */
function makeParts(entry: Entry, ranges: ByteRange[]): Plan {
  const boundary = randomBytes(16).toString('hex')
  const pieces = ranges.flatMap((range, i): Piece[] => [
    Buffer.from(
      `${i === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${typeOf(entry)}\r\n` +
        `Content-Range: ${contentRange(range, entry.size)}\r\n\r\n`,
    ),
    { start: range.start, length: range.end - range.start + 1 },
  ])
  pieces.push(Buffer.from(`\r\n--${boundary}--\r\n`))
  const length = String(pieces.reduce((sum, piece) => sum + piece.length, 0))
  const parts = ['Content-Type', `multipart/byteranges; boundary=${boundary}`, 'Content-Length', length]
  return { status: 206, headers: [...validatorHeaders(entry), ...parts], pieces }
}

function cut(bytes: Buffer, pieces: readonly Piece[]): Buffer {
  const [first] = pieces
  if (pieces.length === 1 && first && !Buffer.isBuffer(first))
    return bytes.subarray(first.start, first.start + first.length)
  return Buffer.concat(
    pieces.map((piece) =>
      Buffer.isBuffer(piece) ? piece : bytes.subarray(piece.start, piece.start + piece.length),
    ),
  )
}
