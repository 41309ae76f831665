import { GupperError } from '../errors.ts'
import type { Connections } from './connections.ts'

/** How a drain ended. */
export interface Drained {
  /** Connections that were cut at the deadline. */
  cut: number
  /** Whether all was done before the deadline. */
  inTime: boolean
}

/** Something to end when the service drains; a promise is waited for. */
export type DrainCallback = () => unknown

/** The end of a service, once for all of its servers. */
export class Drain {
  readonly #servers = new Map<Connections, number>()
  readonly #callbacks = new Set<DrainCallback>()
  readonly #complain: (message: string) => void
  #drained: Promise<Drained> | undefined

  /** @param complain tells people that something did not end well */
  constructor(complain: (message: string) => void) {
    this.#complain = complain
  }

  /** Whether it has begun. */
  get begun(): boolean {
    return this.#drained !== undefined
  }

  /** ms that it takes at most. */
  get deadline(): number {
    return Math.max(0, ...this.#servers.values())
  }

  /** Takes part in the drain, with a deadline in ms; at once when it has begun. */
  add(connections: Connections, deadline: number): void {
    this.#servers.set(connections, deadline)
    if (this.begun) void connections.drain()
  }

  /** See `onDrain`. */
  onDrain(callback: DrainCallback): () => void {
    if (typeof callback !== 'function')
      throw new GupperError('usage', `onDrain takes a function, not ${typeof callback}`, {
        hint: 'onDrain(() => sockets.forEach((socket) => socket.close()))',
      })
    this.#callbacks.add(callback)
    if (this.begun) void this.#call(callback)
    return () => void this.#callbacks.delete(callback)
  }

  /** Begins, if it has not begun; resolves when nothing is left, or cut at the deadline. */
  async begin(): Promise<Drained> {
    this.#drained ??= this.#end()
    return this.#drained
  }

  async #end(): Promise<Drained> {
    const servers = [...this.#servers.keys()]
    const work = [
      ...servers.map((server) => server.drain()),
      ...[...this.#callbacks].map((one) => this.#call(one)),
    ]
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      // Nothing here keeps the process alive: once its last connection is closed, it may end.
      timer = setTimeout(resolve, this.deadline, false).unref()
    })
    const inTime = await Promise.race([Promise.all(work).then(() => true as const), late])
    clearTimeout(timer)
    const cut = [...this.#servers.keys()].reduce((sum, server) => sum + server.cut(), 0)
    if (!inTime)
      this.#complain(
        cut > 0
          ? `${cut === 1 ? 'one connection was' : `${cut} connections were`} cut: not done within ${this.deadline / 1000} s`
          : `what onDrain() began is not done within ${this.deadline / 1000} s`,
      )
    return { cut, inTime }
  }

  async #call(callback: DrainCallback): Promise<void> {
    try {
      await callback()
    } catch (error) {
      this.#complain(
        `a callback of onDrain() failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      )
    }
  }
}
