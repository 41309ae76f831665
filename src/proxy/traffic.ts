import type { Backend, Drained, ProxyCounts } from './proxy.ts'
import { longestTimer, Upstream, type MakeClient } from './upstream.ts'

/** A request that looks for a program. */
export interface Waiting {
  /** The program that would not be connected to: there is no use in trying it again as long as nothing has changed. */
  readonly refusedBy: Upstream | undefined
  /** Here is a program. */
  send(upstream: Upstream): void
  /** There will be none. */
  refuse(status: 502 | 503, reason: string): void
}

/** What is known of one that is held. */
interface Held {
  since: number
  timer: NodeJS.Timeout
}

/** How requests wait. */
export interface TrafficOptions {
  holdMs: number
  /** How many requests may wait at a time. */
  mostHeld: number
  make: MakeClient
}

const none = 'no program is running yet'
// ms until a program that would not be connected to is tried again, with one request for all that wait.
const firstPause = 10
const longestPause = 250

/** Where requests go, and those that wait for a program to go to. */
export class Traffic {
  /** Since the proxy began; the longest hold only since it was last asked for. */
  readonly counts: ProxyCounts = { requests: 0, held: 0, longestHoldMs: 0, retried: 0, lost: 0, cut: 0 }
  readonly #options: TrafficOptions
  readonly #upstreams = new Map<string, Upstream>()
  readonly #held = new Map<Waiting, Held>()
  // How long one that waits a second time has waited before.
  readonly #waited = new WeakMap<Waiting, number>()
  #current: Upstream | undefined
  #reason = none
  #underWay = 0
  #onQuiet: (() => void) | undefined
  #trial: NodeJS.Timeout | undefined
  #pause = firstPause

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  /** The program that requests go to now. */
  get upstream(): Upstream | undefined {
    return this.#current
  }

  get current(): Backend | undefined {
    return this.#current?.backend
  }

  /** From now on requests go to this program; undefined: they wait, for this reason. */
  switchTo(backend: Backend | undefined, reason = none): void {
    this.#reason = reason
    if (backend === undefined) {
      this.#current = undefined
      return
    }
    const known = this.#upstreams.get(backend.id)
    const same = known?.backend.host === backend.host && known.backend.port === backend.port
    const upstream = known && same ? known : this.#open(backend)
    upstream.stay()
    this.#current = upstream
    this.#pause = firstPause
    this.#release()
  }

  /** Sends a request to the program, or lets it wait for one. */
  route(request: Waiting): void {
    const current = this.#current
    if (current && current !== request.refusedBy) request.send(current)
    else this.#hold(request)
  }

  /** The client has gone: it need not be sent any more. */
  forget(request: Waiting): void {
    const held = this.#held.get(request)
    if (!held) return
    clearTimeout(held.timer)
    this.#held.delete(request)
  }

  inFlight(id: string): number {
    return this.#upstreams.get(id)?.inFlight ?? 0
  }

  /** What has been counted; the longest hold is counted anew from here. */
  takeCounts(): ProxyCounts {
    const [oldest] = this.#held.values()
    if (oldest) this.#remember(performance.now() - oldest.since)
    const counts = { ...this.counts }
    this.counts.longestHoldMs = 0
    return counts
  }

  /** See {@link Upstream.drain}; what comes from now on is not for this program. */
  async drain(id: string, deadlineMs: number, signal?: AbortSignal): Promise<Drained> {
    const upstream = this.#upstreams.get(id)
    if (!upstream) return { inFlight: 0, cut: 0 }
    if (this.#current === upstream) this.switchTo(undefined, 'the program is ending')
    const drained = await upstream.drain(deadlineMs, signal)
    if (this.#upstreams.get(id) === upstream) this.#upstreams.delete(id)
    return drained
  }

  /** A request has come. */
  begin(): void {
    this.#underWay++
    this.counts.requests++
  }

  /** A request has been answered, or its client has gone. */
  finish(): void {
    if (--this.#underWay === 0) this.#onQuiet?.()
  }

  /** No more requests are wanted: connections are to be closed with their answers. */
  get closing(): boolean {
    return this.#onQuiet !== undefined
  }

  /**
   * Waits until no request is under way, and cuts or refuses what is left at the deadline.
   * @param deadlineMs from now on
   */
  async end(deadlineMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.min(deadlineMs, longestTimer))
      this.#onQuiet = () => {
        clearTimeout(timer)
        resolve()
      }
      if (this.#underWay === 0) this.#onQuiet()
    })
    for (const request of [...this.#held.keys()]) {
      this.#end(request)
      request.refuse(503, 'this server is ending')
    }
    this.#current = undefined
    for (const upstream of this.#upstreams.values()) upstream.cutAll()
  }

  #open(backend: Backend): Upstream {
    // Those that found nobody there: somebody is there now.
    const upstream = new Upstream(backend, this.#options.make, (connected) => {
      if (connected !== this.#current) return
      this.#pause = firstPause
      if (this.#held.size > 0) this.#release()
    })
    this.#upstreams.set(backend.id, upstream)
    return upstream
  }

  #hold(request: Waiting): void {
    const before = this.#waited.get(request)
    if (this.#held.size >= this.#options.mostHeld) {
      request.refuse(503, `${this.#why(request)}, and too many requests wait`)
      return
    }
    if (before === undefined) this.counts.held++
    const left = Math.max(0, this.#options.holdMs - (before ?? 0))
    const timer = setTimeout(() => {
      this.#end(request)
      request.refuse(request.refusedBy && this.#current === request.refusedBy ? 502 : 503, this.#why(request))
    }, left)
    this.#held.set(request, { since: performance.now(), timer })
    if (this.#current && request.refusedBy === this.#current) this.#tryLater()
  }

  /** Nobody tells when a program begins to listen. */
  #tryLater(): void {
    if (this.#trial) return
    this.#trial = setTimeout(() => {
      this.#trial = undefined
      const current = this.#current
      const [request] = this.#held.keys()
      if (!current || !request) return
      this.#end(request)
      request.send(current)
    }, this.#pause)
    this.#pause = Math.min(this.#pause * 2, longestPause)
  }

  #why(request: Waiting): string {
    return this.#current && this.#current === request.refusedBy
      ? 'the program cannot be connected to'
      : this.#reason
  }

  #release(): void {
    for (const request of [...this.#held.keys()]) {
      this.#end(request)
      if (this.#current) request.send(this.#current)
    }
  }

  #end(request: Waiting): void {
    const held = this.#held.get(request)
    if (!held) return
    clearTimeout(held.timer)
    this.#held.delete(request)
    const waited = performance.now() - held.since
    this.#waited.set(request, (this.#waited.get(request) ?? 0) + waited)
    this.#remember(waited)
  }

  #remember(waited: number): void {
    if (waited > this.counts.longestHoldMs) this.counts.longestHoldMs = waited
  }
}
