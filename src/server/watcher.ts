import { watch, type FSWatcher } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { errnoOf } from '../errors.ts'
import type { Observer } from '../package/observer.ts'

/** What a watcher tells. */
export interface WatcherEvents {
  /** Something may have happened to a name. */
  touched(name: string): void
  /** Everything that is there now; `full` asks to look at each, else only at what came and went. */
  listed(names: readonly string[], full: boolean): void
  /** The directory is gone, or is back. */
  present(present: boolean): void
}

const everyMs = 2000
const fullEvery = 30 // checks; more for a large directory

/**
 * Watches a directory: by the system's events, and by a cheap check every two seconds for what these miss (an overflow
 * of the kernel's queue, another machine writing to NFS, another directory moved to this place).
 */
export class Watcher {
  readonly #dir: string
  readonly #events: WatcherEvents
  readonly #observer: Observer
  #watch: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #identity = ''
  #modified = -1n
  #checks = 0
  #names = 0
  #current = Promise.resolve()
  #next: Promise<void> | undefined
  #complained = false
  #present = true

  constructor(dir: string, events: WatcherEvents, observer: Observer) {
    this.#dir = dir
    this.#events = events
    this.#observer = observer
  }

  /**
   * Begins to watch, then reads the directory, so that nothing falls between the two.
   * @returns the names in it
   * @throws the system's error when it cannot be read
   */
  async start(): Promise<string[]> {
    await this.#follow()
    this.#timer = setInterval(() => void this.check(), everyMs).unref()
    return this.#read()
  }

  async #read(): Promise<string[]> {
    const names = await readdir(this.#dir)
    this.#names = names.length
    return names
  }

  close(): void {
    clearInterval(this.#timer)
    this.#watch?.close()
    this.#watch = undefined
  }

  /** Compares the directory, as it is from now on, with what was last seen of it. */
  check(): Promise<void> {
    // One under way may have looked already: the next one begins when it has ended, and serves all who ask till then.
    this.#next ??= this.#current.then(() => {
      this.#next = undefined
      this.#current = this.#look()
      return this.#current
    })
    return this.#next
  }

  async #look(): Promise<void> {
    try {
      const before = { identity: this.#identity, modified: this.#modified }
      const blind = await this.#follow()
      const moved = before.identity !== this.#identity
      const full = moved || blind || ++this.#checks >= Math.max(fullEvery, this.#names / 200)
      if (full) this.#checks = 0
      if (full || before.modified !== this.#modified) this.#events.listed(await this.#read(), full)
      this.#tell(true)
    } catch (error) {
      this.#identity = ''
      this.#watch?.close()
      this.#watch = undefined
      if (this.#present) this.#observer.warn(`${this.#dir} cannot be read any more (${errnoOf(error) ?? ''})`)
      this.#tell(false)
    }
  }

  #tell(present: boolean): void {
    if (present === this.#present) return
    this.#present = present
    if (present) this.#observer.info(`${this.#dir} is back`)
    this.#events.present(present)
  }

  /** Makes sure that it is this directory that is watched; returns whether events have to be done without. */
  async #follow(): Promise<boolean> {
    const { dev, ino, mtimeNs } = await stat(this.#dir, { bigint: true })
    const identity = `${dev}:${ino}`
    this.#modified = mtimeNs
    if (identity === this.#identity && this.#watch) return false
    this.#watch?.close()
    this.#watch = undefined
    try {
      const watcher = watch(this.#dir, { persistent: false })
      watcher.on('change', (_type, name) => {
        if (typeof name === 'string') this.#events.touched(name)
        if (name === basename(this.#dir)) void this.check() // the directory itself was moved or deleted
      })
      watcher.on('error', () => {
        watcher.close()
        if (this.#watch === watcher) this.#watch = undefined
      })
      this.#watch = watcher
    } catch (error) {
      if (!this.#complained)
        this.#observer.warn(
          `${this.#dir} cannot be watched (${errnoOf(error) ?? String(error)}): it is read every 2 s`,
        )
      this.#complained = true
    }
    this.#identity = identity
    return this.#watch === undefined
  }
}
