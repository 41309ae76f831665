import type { Socket } from 'node:net'
import type { Peer } from './headers.ts'
import type { Lane } from './lane.ts'

/** What is under way on a client's connection. */
export interface OnLine {
  /** It is its turn. */
  start(): void
  /** The client has gone. */
  abandon(): void
}

const here = /^(?:127\.|::1$|::ffff:127\.)/

/**
 * A client's connection. Requests that come on it before the one before them is answered wait for their turn: side by side
 * they could overtake each other, which only safe ones may (RFC 9112 §9.3.2).
 */
export class Line {
  readonly peer: Peer
  /** The short way of small requests. */
  lane: Lane | undefined
  #now: OnLine | undefined
  readonly #next: OnLine[] = []

  constructor(socket: Socket) {
    const { remoteAddress: address = '' } = socket
    this.peer = { address, trusted: address === '' || here.test(address) }
    socket.on('close', () => {
      const all = this.#next.splice(0)
      this.#now?.abandon()
      for (const each of all) each.abandon()
      this.#now = undefined
    })
  }

  /** Whether something is under way on it. */
  get busy(): boolean {
    return this.#now !== undefined
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#next.length
  }

  /** Starts it when it is its turn. */
  add(exchange: OnLine): void {
    if (this.#now) this.#next.push(exchange)
    else {
      this.#now = exchange
      exchange.start()
    }
  }

  /** Its turn is over. */
  end(exchange: OnLine): void {
    if (this.#now !== exchange) return
    this.#now = this.#next.shift()
    this.#now?.start()
  }
}
