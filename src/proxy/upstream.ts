import type { Duplex } from 'node:stream'
import type { Client } from 'undici'
import { GupperError } from '../errors.ts'
import type { Backend, Drained } from './proxy.ts'
import { Roster, type Listed } from './roster.ts'
import { Wire } from './wire.ts'

/** Something that is under way at a program. */
export interface UnderWay extends Listed {
  /** Ends it now, whatever it has got. */
  cut(): void
}

/**
 * Makes a connection to a program, which is not opened before it is used; or takes one that is open, for one request.
 */
export type MakeClient = (origin: string, over?: Duplex) => Client

/** The longest time that a timer can be set to, ms. */
export const longestTimer = 2 ** 31 - 1 // setTimeout takes anything above for 1

const mostCredit = 100

/** One program: the connections to it, and what is under way there. */
export class Upstream {
  readonly backend: Backend
  readonly origin: string
  readonly #make: MakeClient
  readonly #onConnect: (upstream: Upstream) => void
  readonly #underWay = new Roster<UnderWay>()
  // The one that was used last is taken first, so that those that are too many grow old.
  readonly #idle: Client[] = []
  readonly #wires: Wire[] = []
  readonly #waiting = new Set<() => void>()
  // Of late, how often answers were simple.
  #credit = 0
  #leaving: AbortController | undefined

  /**
   * @param onConnect told of every connection that the program accepts
   */
  constructor(backend: Backend, make: MakeClient, onConnect: (upstream: Upstream) => void) {
    const { host, port } = backend
    this.backend = backend
    this.origin = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
    this.#make = make
    this.#onConnect = onConnect
  }

  /** How much is under way here. */
  get inFlight(): number {
    return this.#underWay.size
  }

  /** Counts something as under way here. */
  enter(what: UnderWay): void {
    this.#underWay.add(what)
  }

  /** It is not under way here any more. */
  leave(what: UnderWay): void {
    if (this.#underWay.delete(what) && this.#underWay.size === 0 && this.#waiting.size > 0)
      for (const done of this.#waiting) done()
  }

  /** A connection for one request, to be given back. */
  take(): Client {
    return this.#idle.pop() ?? this.#open()
  }

  /** A connection for one request over a stream that is open, not to be given back. */
  over(stream: Duplex): Client {
    return this.#make(this.origin, stream)
  }

  /** Gives back a connection. */
  give(client: Client): void {
    if (this.#leaving) void client.destroy()
    else this.#idle.push(client)
  }

  /** Whether answers are likely to be simple: then wires are worth their while. */
  get simple(): boolean {
    return this.#credit > 0
  }

  /** An answer was simple, or it was not. */
  learn(simple: boolean): void {
    if (simple) this.#credit += this.#credit < mostCredit ? 1 : 0
    else this.#credit = Math.max(this.#credit - 10, -mostCredit)
  }

  /** A wire for one request, to be given back. */
  takeWire(): Wire {
    const idle = this.#wires.pop()
    if (idle) return idle
    const forget = (wire: Wire): void => {
      const at = this.#wires.lastIndexOf(wire)
      if (at >= 0) this.#wires.splice(at, 1)
    }
    return new Wire(this.backend, () => this.#onConnect(this), forget)
  }

  /** Gives back a wire. */
  giveWire(wire: Wire): void {
    wire.free()
    if (this.#leaving) wire.destroy()
    else this.#wires.push(wire)
  }

  /** New requests come here again: whoever waits for it to be empty is told so. */
  stay(): void {
    this.#leaving?.abort(new GupperError('no', `${this.backend.id} takes requests again`))
    this.#leaving = undefined
  }

  /**
   * Waits until nothing is under way here, and cuts what is left at the deadline.
   * @param deadlineMs from now on
   * @throws the signal's reason; GupperError `no` (1) when new requests come here again before it is empty
   */
  async drain(deadlineMs: number, signal?: AbortSignal): Promise<Drained> {
    signal?.throwIfAborted()
    const leaving = (this.#leaving ??= new AbortController())
    this.#closeIdle()
    const inFlight = this.#underWay.size
    let cut = 0
    if (inFlight > 0) {
      await this.#emptyOrLate(deadlineMs, AbortSignal.any([leaving.signal, ...(signal ? [signal] : [])]))
      cut = this.cutAll()
    }
    return { inFlight, cut }
  }

  /** Ends what is under way, and the connections. @returns how much was under way */
  cutAll(): number {
    this.#leaving ??= new AbortController()
    this.#closeIdle()
    const left = this.#underWay.all()
    for (const what of left) what.cut()
    return left.length
  }

  #emptyOrLate(deadlineMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(end)
        signal.removeEventListener('abort', end)
        if (signal.aborted) reject(signal.reason as Error)
        else resolve()
      }
      const timer = setTimeout(end, Math.min(deadlineMs, longestTimer))
      this.#waiting.add(end)
      signal.addEventListener('abort', end)
    })
  }

  #closeIdle(): void {
    for (const client of this.#idle.splice(0)) void client.destroy()
    for (const wire of this.#wires.splice(0)) wire.destroy()
  }

  #open(): Client {
    const client = this.#make(this.origin)
    client.on('connect', () => this.#onConnect(this))
    // Without its connection a client is of no more use than a new one.
    client.on('disconnect', () => {
      const at = this.#idle.lastIndexOf(client)
      if (at < 0) return
      this.#idle.splice(at, 1)
      void client.destroy()
    })
    return client
  }
}
