import type { IncomingMessage, ServerResponse } from 'node:http'
import { refuse } from './answer.ts'
import { Feed, feedLimits, type FeedLimits } from './feed.ts'
import type { ServiceView } from './service-view.ts'

/** Limits of the event streams, and of what is kept for them. */
export interface StreamLimits extends FeedLimits {
  /** How many at once. */
  clients: number
  /** Bytes that may wait for a slow reader before it is cut off. */
  backlog: number
  /** ms between two signs of life. */
  heartbeat: number
}

export const streamLimits: StreamLimits = { ...feedLimits, clients: 100, backlog: 2 << 20, heartbeat: 15_000 }

/**
 * `GET /events`: a `reset` with all there is to know, then a `change` for each that happens. Who was away gives the last
 * id it saw in `Last-Event-ID` and gets what it missed, or a `reset` when that is not known any more.
 */
export class Streams {
  readonly #limits: StreamLimits
  readonly #feed: Feed
  readonly #clients = new Set<ServerResponse>()
  #joining = 0
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(view: ServiceView, limits: Partial<StreamLimits> = {}) {
    this.#limits = { ...streamLimits, ...limits }
    this.#feed = new Feed(view, this.#limits, (text) => {
      for (const client of this.#clients) this.#send(client, text)
    })
  }

  /** Begins to listen to the service. */
  async open(): Promise<void> {
    await this.#feed.open()
  }

  /** Begins a stream. */
  async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (this.#closed || this.#clients.size + this.#joining >= this.#limits.clients) {
      refuse(res, 503, 'denied', 'too many watch already', { 'Retry-After': '10' })
      return
    }
    this.#joining++
    try {
      await this.#feed.refresh()
    } finally {
      this.#joining--
    }
    if (this.#isOver()) {
      refuse(res, 503, 'not-running', 'the supervisor is about to end')
      return
    }
    res.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' })
    if (req.method === 'HEAD') {
      res.end()
      return
    }
    this.#join(res, req.headers['last-event-id'])
  }

  /** Ends all streams and begins no more. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#feed.close()
    for (const res of this.#clients) {
      const { socket } = res
      res.end()
      socket?.end()
    }
  }

  #isOver(): boolean {
    return this.#closed
  }

  // In one go: nothing may happen between what is told of the past and the first event after it.
  #join(res: ServerResponse, last: string | string[] | undefined): void {
    if (res.destroyed) return
    res.on('error', () => undefined) // the reader has gone: 'close' follows
    res.once('close', () => this.#clients.delete(res))
    this.#timer ??= setInterval(() => this.#beat(), this.#limits.heartbeat).unref()
    const missed = last === undefined ? undefined : this.#feed.since(String(last))
    this.#send(res, missed === undefined ? this.#feed.snapshot() : `:\n\n${missed}`)
    this.#clients.add(res)
  }

  // A comment: proxies see a live connection, and a dead one is noticed here when it cannot be written to.
  #beat(): void {
    for (const client of this.#clients) this.#send(client, ':\n\n')
  }

  #send(res: ServerResponse, text: string): void {
    if (res.destroyed || res.writableEnded) return
    res.write(text)
    if (res.writableLength > this.#limits.backlog) res.destroy()
  }
}
