import type { Socket } from 'node:net'
import type { Request } from './exchange.ts'

const writeAfter = 50 // ms in which lines are gathered for one write
const writeAt = 64 << 10 // characters that are written at once

/** Where the log goes: takes many whole lines; says false when it should not be given more for now. */
export type LogSink = (lines: string) => boolean

/**
 * The access log, a line a request, written in batches: `2026-11-20T10:00:00Z GET /list 200 1234 0.4ms from 127.0.0.1:50593`
 * (time, method, target, status, bytes of body, duration, client), or the same as JSON.
 */
export class AccessLog {
  readonly #sink: LogSink
  readonly #json: boolean
  #lines = ''
  #timer: NodeJS.Timeout | undefined
  #second = 0
  #time = ''
  #lost = 0
  readonly #clients = new WeakMap<Socket, string>()

  constructor(sink: LogSink, format: 'text' | 'json') {
    this.#sink = sink
    this.#json = format === 'json'
  }

  /** @param start when the request came, monotonic ms */
  write({ method, url }: Request, status: number, bytes: number, socket: Socket, start: number): void {
    const ms = (performance.now() - start).toFixed(1)
    const from = this.#client(socket)
    if (this.#json) {
      const line = { time: this.#now(), method, url, status, bytes, ms: Number(ms), from }
      this.#lines += `${JSON.stringify(line)}\n`
    } else {
      this.#lines += `${this.#now()} ${method} ${escape(url)} ${status} ${bytes} ${ms}ms from ${from}\n`
    }
    if (this.#lines.length >= writeAt) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), writeAfter)
  }

  /** Notes where a connection comes from: one that its client has cut no longer knows. */
  meet(socket: Socket): void {
    this.#client(socket)
  }

  /** Writes what is gathered. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#lost > 0) this.#lines = `${this.#lost} characters of the log were lost\n${this.#lines}`
    // Rather a gap in the log than memory without bound when its reader has stopped.
    this.#lost = this.#lines === '' || this.#sink(this.#lines) ? 0 : this.#lost + this.#lines.length
    this.#lines = ''
  }

  #now(): string {
    const now = Date.now()
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#time = `${new Date(now).toISOString().slice(0, 19)}Z`
    }
    return this.#time
  }

  #client(socket: Socket): string {
    let client = this.#clients.get(socket)
    if (client === undefined) {
      const { remoteAddress = '-', remotePort = 0 } = socket
      const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
      client = `${address.includes(':') ? `[${address}]` : address}:${remotePort}`
      this.#clients.set(socket, client)
    }
    return client
  }
}

/** A request's target as one word without control characters, so that nobody can write lines of their own. */
function escape(url: string): string {
  if (!/[^\x21-\x7e]/.test(url)) return url
  return Buffer.from(url, 'latin1').reduce(
    (text, byte) =>
      text +
      (byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, '0')}`),
    '',
  )
}
