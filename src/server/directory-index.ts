import { lstatSync, type BigIntStats } from 'node:fs'
import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import type { Observer } from '../package/observer.ts'
import type { Catalog } from './catalog.ts'
import type { DigestCache } from './digest-cache.ts'
import { inSlices } from '../package/each.ts'
import { makeEntry, sameBytes, stampOf } from './entry.ts'
import { hashSmallUnchanged, smallFile, type Hashed } from './hash.ts'
import { HashQueue } from './hash-queue.ts'
import { isPrivateKey } from '../store/private-key.ts'
import { findWritten } from '../store/writers.ts'

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
  readonly #queue = new HashQueue((name, stamp, hashed) => {
    this.#place(name, stamp, hashed)
    this.#settleFirst()
  })
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
    this.#queue.clear()
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
      const whole = new Map<string, BigIntStats>()
      await inSlices(this.#due(touched), (name) => {
        const stat = this.#examine(name, touched.get(name), first)
        if (stat) whole.set(name, stat)
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

  /** Looks at one file; returns its state when it has been quiet for long enough to be listed. */
  #examine(name: string, touched: number | undefined, first: boolean): BigIntStats | undefined {
    const { catalog, settleMs } = this.#options
    const stat = this.#stat(name)
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
    return !seen.hashing && now - seen.since >= settleMs ? stat : undefined
  }

  // Not asynchronous: a look at what the kernel has in memory takes 4 µs, a trip through the thread pool five times that.
  #stat(name: string): BigIntStats | undefined {
    try {
      const stat = lstatSync(join(this.#options.dir, name), { bigint: true })
      return stat.isFile() ? stat : undefined
    } catch {
      return undefined
    }
  }

  /** Lists what has been hashed before and has the rest hashed; what is open for writing is asked again after a while. */
  async #enqueue(whole: ReadonlyMap<string, BigIntStats>): Promise<void> {
    const { dir, digests } = this.#options
    if (whole.size === 0) return
    const written = await findWritten(new Set([...whole.values()].map(({ dev, ino }) => `${dev}:${ino}`)))
    await inSlices(whole, ([name, stat]) => {
      const stamp = stampOf(stat)
      const waiting = this.#waiting.get(name)
      if (waiting?.stamp !== stamp) return
      const digest = digests.get(stamp)
      if (written.has(`${stat.dev}:${stat.ino}`)) {
        waiting.since = performance.now()
        this.#first?.delete(name)
      } else if (digest !== undefined) {
        this.#list(name, stat, digest)
      } else if (stat.size <= smallFile) {
        this.#place(name, stamp, () => hashSmallUnchanged(join(dir, name), stamp))
      } else {
        waiting.hashing = true
        this.#queue.add(name, join(dir, name), stamp)
      }
    })
  }

  #list(name: string, stat: BigIntStats, digest: string): void {
    this.#forget(name)
    const { dir, catalog } = this.#options
    if (this.#closed) return
    if (isPrivateKey(join(dir, name))) {
      catalog.remove(name)
      this.#warnOnce(name, 'it is a private key, which nobody else should have')
    } else catalog.add(makeEntry(name, stat, digest))
  }

  /** Lists a file that was hashed, if it is still what it was. */
  #place(name: string, stamp: string, hash: () => Hashed | undefined): void {
    try {
      const hashed = hash()
      if (hashed && this.#waiting.get(name)?.stamp === stamp) {
        this.#options.digests.set(stamp, hashed.digest)
        this.#list(name, hashed.stat, hashed.digest)
        return
      }
      this.#forget(name)
      this.touch(name) // another state by now: it has to settle first
    } catch (error) {
      this.#complain(name, error)
      this.#options.catalog.remove(name)
      this.#forget(name)
    }
  }

  #forget(name: string): void {
    this.#waiting.delete(name)
    this.#first?.delete(name)
  }

  #complain(name: string, error: unknown): void {
    const errno = errnoOf(error)
    if (errno !== 'ENOENT' && errno !== 'ELOOP')
      this.#warnOnce(name, `it cannot be read (${errno ?? String(error)})`)
  }

  #warnOnce(name: string, why: string): void {
    if (this.#complained.has(name)) return
    this.#complained.add(name)
    this.#options.observer.warn(`${join(this.#options.dir, name)} is not served: ${why}`)
  }

  #settleFirst(): void {
    if (this.#first && this.#first.size > 0) return
    this.#first = undefined
    this.#started?.()
  }
}
