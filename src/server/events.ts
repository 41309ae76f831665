import { randomBytes } from 'node:crypto'
import type { Filter } from '../package/filter.ts'
import { accepts } from '../package/filter.ts'
import type { PackageRecord } from '../package/record.ts'
import type { Answers, Exchange } from './exchange.ts'
import { located } from './listing.ts'

interface Client {
  exchange: Exchange
  filter: Filter
  base: string
  bytes: number
}

/** What happened: a package appeared, or without one, timestamp.json of the signed repository was replaced. */
interface Event {
  number: number
  record: PackageRecord | undefined
}

/** Limits of the event streams. */
export interface EventLimits {
  /** How many at once. */
  clients: number
  /** Bytes that may wait for a slow client before it is cut off. */
  backlog: number
  /** ms between two signs of life. */
  heartbeat: number
  /** How many past events can be asked for again. */
  past: number
}

export const eventLimits: EventLimits = { clients: 2000, backlog: 1 << 20, heartbeat: 15_000, past: 1000 }

/**
 * `GET /events`: server-sent events (WHATWG HTML §9.2), a record when a package appears, and an event `timestamp` when a
 * signed repository has new metadata. A client that was away gives
 * the last id it saw in `Last-Event-ID` and gets what it missed, or an event `reset` when that is not known any more:
 * it then has to ask for the list.
 */
export class Events {
  readonly #answers: Answers
  readonly #limits: EventLimits
  readonly #clients = new Set<Client>()
  readonly #past: Event[] = []
  // Numbers start anew with the server; the run keeps those of an earlier one apart.
  readonly #run = randomBytes(6).toString('hex')
  #number = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(answers: Answers, limits: EventLimits = eventLimits) {
    this.#answers = answers
    this.#limits = limits
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Tells everyone of a package that has appeared, or without one, of new metadata. */
  publish(record?: PackageRecord): void {
    const event = { number: ++this.#number, record }
    this.#past.push(event)
    if (this.#past.length > this.#limits.past) this.#past.shift()
    for (const client of this.#clients) this.#tell(client, event)
  }

  /**
   * Begins a stream.
   * @param filter which packages are asked for
   * @param base this server's address as the client knows it
   */
  serve(exchange: Exchange, filter: Filter, base: string): void {
    const { req, res } = exchange
    if (this.#closed || this.#clients.size >= this.#limits.clients) {
      this.#answers.refuse(exchange, 503, 'too many listen already', ['Retry-After', '10'])
      return
    }
    const headers = [
      'Content-Type',
      'text/event-stream',
      'Cache-Control',
      'no-store',
      'X-Accel-Buffering',
      'no',
    ]
    if (req.method === 'HEAD') {
      this.#answers.send(exchange, 200, headers)
      return
    }
    this.#answers.head(exchange, 200, headers)
    const client: Client = { exchange, filter, base, bytes: 0 }
    this.#clients.add(client)
    this.#timer ??= setInterval(() => this.#beat(), this.#limits.heartbeat).unref()
    res.on('error', () => undefined) // the client has gone: 'close' follows
    res.once('close', () => {
      this.#clients.delete(client)
      this.#answers.finish(exchange, 200, client.bytes)
    })
    this.#resume(client, req.headers['last-event-id'])
  }

  /** Ends all streams and begins no more. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    for (const { exchange } of this.#clients) {
      const { socket } = exchange.res
      exchange.res.end()
      socket?.end()
    }
  }

  #resume(client: Client, last: string | string[] | undefined): void {
    if (last === undefined) {
      this.#write(client, `retry: 2000\nid: ${this.#id(this.#number)}\n\n`)
      return
    }
    const [, run, digits] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(String(last)) ?? []
    const number = Number(digits)
    const known = run === this.#run && number <= this.#number && number >= this.#number - this.#past.length
    if (!known) {
      this.#write(client, `retry: 2000\nevent: reset\nid: ${this.#id(this.#number)}\ndata: {}\n\n`)
      return
    }
    this.#write(client, `retry: 2000\nid: ${this.#id(number)}\n\n`)
    for (const event of this.#past) if (event.number > number) this.#tell(client, event)
  }

  #tell(client: Client, { number, record }: Event): void {
    const { filter, base } = client
    if (!record) {
      this.#write(client, `event: timestamp\nid: ${this.#id(number)}\ndata: {}\n\n`)
      return
    }
    const platform = { os: filter.os ?? record.os, arch: filter.arch ?? record.arch }
    if (!accepts({ ...filter, ...platform })(record)) return
    this.#write(client, `id: ${this.#id(number)}\ndata: ${JSON.stringify(located(record, base))}\n\n`)
  }

  #id(number: number): string {
    return `${this.#run}-${number}`
  }

  // A comment: proxies see a live connection, and a dead one is noticed here when it cannot be written to.
  #beat(): void {
    for (const client of this.#clients) this.#write(client, ':\n\n')
  }

  #write(client: Client, text: string): void {
    const { res } = client.exchange
    if (res.destroyed || res.writableEnded) return
    client.bytes += Buffer.byteLength(text)
    res.write(text)
    if (res.writableLength > this.#limits.backlog) res.destroy()
  }
}
