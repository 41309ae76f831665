import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { AccessLog } from './access-log.ts'
import type { Counters, Route } from './counters.ts'
import type { ExpressLane, LaneState } from './express-lane.ts'

/** What is counted and logged of a request. */
export interface Request {
  route: Route
  method: string
  url: string
}

/** One request and its answer. */
export interface Exchange {
  req: IncomingMessage
  res: ServerResponse
  route: Route
  /** The connection's express lane, where there is one. */
  lane: LaneState | undefined
  /** When the request came, monotonic ms. */
  start: number
}

/** Names and values in turn, as node:http takes them fastest. */
export type Headers = readonly string[]

/** Sends answers, counts them and writes the access log. */
export class Answers {
  /** Set while the server drains: every answer then asks its client to leave. */
  draining = false
  /** Remembers answers for those who ask the same again. */
  lane: ExpressLane | undefined
  readonly counters: Counters
  readonly #log: AccessLog | undefined

  constructor(counters: Counters, log: AccessLog | undefined) {
    this.counters = counters
    this.#log = log
  }

  /** Sends an answer whose body, if any, is in memory; `headers` hold its Content-Length. */
  send(exchange: Exchange, status: number, headers: Headers, body?: Buffer): void {
    const { req, res } = exchange
    this.head(exchange, status, headers)
    this.lane?.remember(exchange, status, headers, body)
    if (body === undefined || req.method === 'HEAD') {
      res.end()
      this.finish(exchange, status, 0)
    } else {
      res.end(body)
      this.finish(exchange, status, body.length)
    }
  }

  /** Sends a status with a line that says why. */
  refuse(exchange: Exchange, status: number, reason: string, headers: Headers = []): void {
    const body = Buffer.from(`${reason}\n`)
    const common = [
      'Content-Type',
      'text/plain; charset=utf-8',
      'X-Content-Type-Options',
      'nosniff',
      'Cache-Control',
      'no-store',
      'Content-Length',
      String(body.length),
    ]
    this.send(exchange, status, [...common, ...headers], body)
  }

  /** Sends the head of an answer whose body the caller sends; the caller then calls {@link finish}. */
  head({ res }: Exchange, status: number, headers: Headers): void {
    const all = this.draining ? [...headers, 'Connection', 'close'] : headers
    // node:http takes a flat list and only reads it; its types want a mutable one.
    res.writeHead(status, all as string[])
  }

  /** Counts and logs an answer that is over; `bytes` are those of the body that were sent. */
  finish(exchange: Exchange, status: number, bytes: number): void {
    const { req, route, lane, start } = exchange
    this.record({ route, method: req.method ?? '-', url: req.url ?? '-' }, status, bytes, req.socket, start)
    if (lane) lane.open--
    // Answers that were under way when the draining began have promised to keep the connection.
    if (this.draining) exchange.res.socket?.end()
  }

  /** To be told of every new connection. */
  meet(socket: Socket): void {
    this.#log?.meet(socket)
  }

  /** Counts and logs. */
  record(request: Request, status: number, bytes: number, socket: Socket, start: number): void {
    this.counters.count(request.route, status, bytes)
    this.#log?.write(request, status, bytes, socket, start)
  }
}
