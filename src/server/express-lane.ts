import { STATUS_CODES, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Catalog } from './catalog.ts'
import { httpDate } from './conditions.ts'
import type { Answers, Exchange, Headers, Request } from './exchange.ts'

/** What the lane knows of one connection. */
export interface LaneState {
  /** Requests that have come and are not answered yet. */
  open: number
  /** The bytes of the request that is being handled right now, where they may be remembered. */
  raw: string | undefined
}

/** An answer that was given once, and will be the same to the same bytes. */
interface Remembered {
  request: Request
  status: number
  head: string
  body: Buffer | undefined
  /** The whole answer, with the date of `second`. */
  bytes: Buffer
  second: number
}

const longest = 2048 // bytes of a request that is remembered
const largest = 64 << 10 // bytes of a body
const nothing = Buffer.alloc(0)
const most = 512 // requests that are remembered

/**
 * A poll comes again and again with the very same bytes, and node:http takes longer to read it and to write its answer
 * than everything else does. So the lane remembers the bytes of simple requests with the answers that node:http gave
 * them, and answers the same bytes with the same answer, until the catalog changes.
 *
 * It is only used where nothing can be mistaken: the chunk is byte for byte a whole request without a body that
 * node:http has read before, the connection is between two messages, and nothing is under way on it. Everything else,
 * and the first request of each connection, goes to node:http, which stays in charge of errors and of time limits.
 */
export class ExpressLane {
  readonly #catalog: Catalog
  readonly #answers: Answers
  readonly #isReady: () => boolean
  readonly #known = new Map<string, Remembered>()
  readonly #states = new WeakMap<Socket, LaneState>()
  #generation = -1
  #keepAlive = ''

  /**
   * @param isReady whether the catalog may be served
   */
  constructor(catalog: Catalog, answers: Answers, isReady: () => boolean) {
    this.#catalog = catalog
    this.#answers = answers
    this.#isReady = isReady
  }

  /** Puts the lane in front of a server's own reader of requests. */
  attach(server: Server): void {
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${server.keepAliveTimeout / 1000}\r\n`
    server.on('connection', (socket: Socket) => {
      const [feed, ...others] = socket.listeners('data') as ((chunk: Buffer) => void)[]
      if (!feed || others.length > 0) return // not the Node that this was written for: do without
      const state: LaneState = { open: 0, raw: undefined }
      this.#states.set(socket, state)
      let fresh = true
      let between = true // two messages: whatever was fed so far ended where a message ends
      socket.removeListener('data', feed)
      socket.on('data', (chunk: Buffer) => {
        const text = between && chunk.length <= longest ? chunk.toString('latin1') : undefined
        if (text !== undefined && !fresh && state.open === 0 && this.#serve(socket, text)) return
        between = text !== undefined && isWhole(text)
        state.raw = between ? text : undefined
        fresh = false
        feed(chunk)
        state.raw = undefined
      })
    })
  }

  /** What is known of a connection; undefined where the lane is not in front of it. */
  stateOf(socket: Socket): LaneState | undefined {
    return this.#states.get(socket)
  }

  /** Remembers an answer, if its request may be remembered. */
  remember(exchange: Exchange, status: number, headers: Headers, body: Buffer | undefined): void {
    const { req, res, lane } = exchange
    if (lane?.raw === undefined || !res.shouldKeepAlive || req.httpVersion !== '1.1') return
    if (status >= 400 || (body && body.length > largest)) return
    this.#renew()
    if (this.#known.size >= most) this.#known.clear()
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`
    const sent = req.method === 'HEAD' ? undefined : body
    const { route } = exchange
    const request = { route, method: req.method ?? '', url: req.url ?? '' }
    this.#known.set(lane.raw, { request, status, head, body: sent, bytes: nothing, second: -1 })
  }

  /** Answers a request that is known; false when it is not. */
  #serve(socket: Socket, text: string): boolean {
    const known = this.#known.get(text)
    if (known === undefined || this.#answers.draining || !this.#isReady() || this.#renew()) return false
    const start = performance.now()
    const now = Date.now()
    const second = Math.floor(now / 1000)
    if (known.second !== second) {
      known.second = second
      const date = `Date: ${httpDate(now)}\r\n${this.#keepAlive}\r\n`
      known.bytes = Buffer.concat([Buffer.from(known.head + date, 'latin1'), known.body ?? nothing])
    }
    if (!socket.write(known.bytes)) {
      // Who asks without reading has to wait.
      socket.pause()
      socket.once('drain', () => socket.resume())
    }
    this.#answers.record(known.request, known.status, known.body?.length ?? 0, socket, start)
    return true
  }

  /** Forgets everything when the catalog has changed; says whether it has. */
  #renew(): boolean {
    if (this.#generation === this.#catalog.generation) return false
    this.#known.clear()
    this.#generation = this.#catalog.generation
    return true
  }
}

// Whether bytes are one request as a whole, without a body: the next byte then begins another. A line feed on its own
// could end the request earlier.
function isWhole(text: string): boolean {
  return (
    /^(?:GET|HEAD) /.test(text) &&
    text.indexOf('\r\n\r\n') === text.length - 4 &&
    !/[^\r]\n|\n(?:content-length|transfer-encoding|upgrade|expect)[ \t]*:/i.test(text)
  )
}
