import type { BigIntStats } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import type { Observer } from '../package/observer.ts'
import type { Catalog } from './catalog.ts'
import type { DigestCache } from './digest-cache.ts'
import { each } from './each.ts'
import { inodeOf, makeEntry, sameBytes, stampOf } from './entry.ts'
import { hashUnchanged } from './hash.ts'
import { findWritten } from './writers.ts'

/** What a directory index works with. */
export interface IndexOptions {
  dir: string
  catalog: Catalog
  digests: DigestCache
  observer: Observer
  /** How long a file must lie unchanged before it counts as whole, in ms. */
  settleMs: number
}

/** A file that is not listed yet: what it looked like, and since when it has been seen like that (monotonic ms). */
interface Waiting {
  stamp: string
  since: number
  hashing?: boolean
}

const gather = 20 // ms in which signs of change are gathered before they are looked at
const jobs = 4 // files hashed at once

/**
 * Keeps a catalog true to a directory. It is told which names may have changed ({@link touch}) and looks at those only.
 * A file is listed when it is whole: unchanged over the settle time, and no process has it open for writing.
 */
export class DirectoryIndex {
  readonly #options: IndexOptions
  #touched = new Map<string, number>()
  readonly #waiting = new Map<string, Waiting>()
  readonly #complained = new Set<string>()
  /** Names of the first look that are neither listed nor given up yet. */
  #first: Set<string> | undefined
  #started: (() => void) | undefined
  #queue: { name: string; stamp: string }[] = []
  #hashing = 0
  #timer: NodeJS.Timeout | undefined
  #wakeAt = Infinity
  #running = false
  #closed = false

  constructor(options: IndexOptions) {
    this.#options = options
  }

  /**
   * Takes the first look. Files that have been quiet for longer than the settle time are listed without waiting.
   * @param names what is in the directory
   * @returns when each of them is listed, or known to be still in the making
   */
  async start(names: readonly string[]): Promise<void> {
    const started = new Promise<void>((resolve) => (this.#started = resolve))
    this.#first = new Set(names.filter(isSafeName))
    for (const name of this.#first) this.#touched.set(name, performance.now())
    await this.#look(true)
    await started
  }

  /** Every name that is listed or waited for. */
  *names(): Generator<string> {
    for (const entry of this.#options.catalog.entries()) yield entry.file
    yield* this.#waiting.keys()
  }

  knows(name: string): boolean {
    return this.#options.catalog.get(name) !== undefined || this.#waiting.has(name)
  }

  /** Takes note that something may have happened to a name. */
  touch(name: string): void {
    if (!isSafeName(name)) return
    const now = performance.now()
    this.#touched.set(name, now)
    this.#wake(now + gather)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#queue = []
    this.#started?.()
  }

  #wake(at: number): void {
    if (this.#closed || at >= this.#wakeAt) return
    clearTimeout(this.#timer)
    this.#wakeAt = at
    this.#timer = setTimeout(() => void this.#look(false), Math.max(0, at - performance.now()))
  }

  async #look(first: boolean): Promise<void> {
    this.#wakeAt = Infinity
    if (this.#running) return
    this.#running = true
    try {
      const touched = this.#touched
      this.#touched = new Map()
      const whole = new Map<string, string>()
      await each(this.#due(touched), 32, async (name) => {
        const stamp = await this.#examine(name, touched.get(name), first)
        if (stamp !== undefined) whole.set(name, stamp)
      })
      await this.#enqueue(whole)
    } finally {
      this.#running = false
      this.#settleFirst()
      this.#wakeNext()
    }
  }

  #due(touched: ReadonlyMap<string, number>): Set<string> {
    const quietSince = performance.now() - this.#options.settleMs
    const due = new Set(touched.keys())
    for (const [name, { since, hashing }] of this.#waiting) if (!hashing && since <= quietSince) due.add(name)
    return due
  }

  #wakeNext(): void {
    if (this.#touched.size > 0) this.#wake(performance.now() + gather)
    for (const { since, hashing } of this.#waiting.values())
      if (!hashing) this.#wake(since + this.#options.settleMs)
  }

  /** Looks at one file; returns its stamp when it has been quiet for long enough to be hashed. */
  async #examine(name: string, touched: number | undefined, first: boolean): Promise<string | undefined> {
    const { catalog, settleMs } = this.#options
    const stat = await this.#stat(name)
    if (!stat) {
      catalog.remove(name)
      this.#forget(name)
      return undefined
    }
    const stamp = stampOf(stat)
    const listed = catalog.get(name)
    if (listed?.stamp === stamp) {
      this.#forget(name)
      return undefined
    }
    if (listed && !sameBytes(listed.stamp, stamp)) catalog.remove(name)
    const now = performance.now()
    let seen = this.#waiting.get(name)
    if (seen?.stamp !== stamp) {
      if (!first) this.#first?.delete(name) // still changing: the start does not wait for it
      // Only the first look goes by the system's clock, which may be set wrong; a time to come then means: wait and see.
      const quiet = first && Date.now() - Number(stat.ctimeMs) >= settleMs
      seen = { stamp, since: quiet ? now - settleMs : (touched ?? now) }
      this.#waiting.set(name, seen)
    }
    return !seen.hashing && now - seen.since >= settleMs ? stamp : undefined
  }

  async #stat(name: string): Promise<BigIntStats | undefined> {
    const stat = await lstat(join(this.#options.dir, name), { bigint: true }).catch(() => undefined)
    return stat?.isFile() ? stat : undefined
  }

  /** Hands files to the hash jobs, but those that are open for writing: they are asked again after the settle time. */
  async #enqueue(whole: ReadonlyMap<string, string>): Promise<void> {
    if (whole.size === 0) return
    const written = await findWritten(new Set([...whole.values()].map(inodeOf)))
    for (const [name, stamp] of whole) {
      const waiting = this.#waiting.get(name)
      if (waiting?.stamp !== stamp) continue
      if (written.has(inodeOf(stamp))) {
        waiting.since = performance.now()
        this.#first?.delete(name)
      } else {
        waiting.hashing = true
        this.#queue.push({ name, stamp })
      }
    }
    while (this.#hashing < jobs && this.#queue.length > 0) void this.#work()
  }

  async #work(): Promise<void> {
    this.#hashing++
    for (let job = this.#queue.pop(); job; job = this.#queue.pop()) await this.#hash(job.name, job.stamp)
    this.#hashing--
    this.#settleFirst()
    this.#wakeNext()
  }

  async #hash(name: string, stamp: string): Promise<void> {
    const { dir, catalog, digests } = this.#options
    try {
      const cached = digests.get(stamp)
      const stat = cached === undefined ? undefined : await this.#stat(name)
      const hashed =
        cached !== undefined && stat && stampOf(stat) === stamp
          ? { digest: cached, stat }
          : await hashUnchanged(join(dir, name), stamp)
      if (hashed && this.#waiting.get(name)?.stamp === stamp && !this.#closed) {
        if (cached === undefined) digests.set(stamp, hashed.digest)
        catalog.add(makeEntry(name, hashed.stat, hashed.digest))
        this.#forget(name)
        return
      }
      this.#forget(name)
      this.touch(name) // another state by now: it has to settle first
    } catch (error) {
      this.#complain(name, error)
      catalog.remove(name)
      this.#forget(name)
    }
  }

  #forget(name: string): void {
    this.#waiting.delete(name)
    this.#first?.delete(name)
  }

  #complain(name: string, error: unknown): void {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ELOOP' || this.#complained.has(name)) return
    this.#complained.add(name)
    const path = join(this.#options.dir, name)
    this.#options.observer.warn(`${path} is not served: it cannot be read (${errno ?? String(error)})`)
  }

  #settleFirst(): void {
    if (this.#first && this.#first.size > 0) return
    this.#first = undefined
    this.#started?.()
  }
}
