import { GupperError } from '../errors.ts'
import { candidates, type Filter } from '../package/filter.ts'
import { silent, type Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { jitter, type Alarm } from './alarm.ts'
import type { Source } from './source.ts'

/** When a source is read again. */
export interface Rhythm {
  /** ms between two reads where the source cannot push. */
  every: number
  /** Given a cron expression: ms until its next time, and nothing is pushed. */
  next?: (() => number) | undefined
}

const pushedEvery = 10 // where a source pushes, reads are that much rarer: they only catch what a push missed
const settle = 300 // ms until what is still being written is looked at again
const longest = 3_600_000 // ms between tries while a source is away

/** Follows one source: what it has, whether it is away, when to look again. */
export class Watcher {
  readonly source: Source
  /** What it had when it was last read: what fits, and what only has to wait. */
  records: readonly PackageRecord[] = []
  readonly #observer: Observer
  readonly #rhythm: Rhythm
  readonly #alarm: Alarm
  readonly #signal: AbortSignal
  #pushed = false
  #asked = false
  #failures = 0
  #due = 0

  constructor(
    source: Source,
    rhythm: Rhythm,
    alarm: Alarm,
    signal: AbortSignal,
    observer: Observer = silent,
  ) {
    this.source = source
    this.#rhythm = rhythm
    this.#alarm = alarm
    this.#signal = signal
    this.#observer = observer
  }

  /** ms from `now` until it should be read again. */
  dueIn(now: number): number {
    return Math.max(0, this.#due - now)
  }

  /** Reads it if it is due; while it is away, what it had before stays. */
  async refresh(filter: Filter, now: number): Promise<void> {
    if (this.#due > now) return
    this.#due = Infinity
    if (!this.#asked && this.#rhythm.next === undefined) await this.#listen()
    try {
      const found = await this.source.read(filter)
      if (found) this.records = candidates(found, filter)
      for (const trouble of found ? (this.source.troubles ?? []) : []) this.#observer.warn(trouble.message)
      if (this.#failures > 0) this.#observer.info(`${this.source.url} is there again`)
      this.#failures = 0
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#note(error)
    }
    // What was pushed during the read may have come too late for it: then it is due again at once.
    this.#due = Math.min(this.#due, performance.now() + this.#pause())
  }

  #note(error: unknown): void {
    if (!(error instanceof GupperError)) throw error
    // What nobody vouches for any more must not come out later.
    if (error.exit === 77) this.records = []
    this.#failures++
    if (this.#failures === 1) this.#observer.warn(`${error.message}; trying again until it works`)
    else this.#observer.debug(error.message)
  }

  #pause(): number {
    const { every, next } = this.#rhythm
    if (this.#failures > 0) return jitter(Math.min(longest, every * 2 ** Math.min(16, this.#failures - 1)))
    if (this.source.unsettled) return Math.min(every, settle)
    if (next) return next()
    return jitter(this.#pushed ? every * pushedEvery : every)
  }

  // Listens before it reads, so that nothing falls between the two.
  async #listen(): Promise<void> {
    if (!this.source.changes) return
    this.#asked = true
    try {
      const changes = await this.source.changes(this.#signal)
      if (!changes) return
      this.#pushed = true
      void this.#follow(changes)
    } catch (error) {
      this.#signal.throwIfAborted()
      this.#observer.debug(`${this.source.url} does not push: ${error instanceof Error ? error.message : ''}`)
      // Not there at all, rather than there and silent: ask again when it is read again.
      this.#asked = false
    }
  }

  async #follow(changes: AsyncIterable<unknown>): Promise<void> {
    try {
      for await (const _ of changes) this.#wake()
    } catch (error) {
      this.#observer.debug(
        `${this.source.url} no longer pushes: ${error instanceof Error ? error.message : ''}`,
      )
    }
    this.#pushed = false
    this.#asked = false
    // The connection may have ended because the source went away: the next read, a little later, tells.
    this.#due = Math.min(this.#due, performance.now() + jitter(Math.min(1000, this.#rhythm.every)))
    this.#alarm.ring()
  }

  #wake(): void {
    this.#due = 0
    this.#alarm.ring()
  }
}
