import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { makeDirectory } from '../store/durable.ts'
import { readHead } from './entry.ts'
import type { LogLimits, LogStream } from './log.ts'

/** How a log was found when it was opened. */
export interface Found {
  /** Bytes in the present file. */
  used: number
  /** The streams that have an unfinished line in it. */
  open: ReadonlySet<LogStream>
}

/** The numbers of a log's rotated files, the newest first: 1, 2, 3. */
export async function rotatedFiles(directory: string): Promise<number[]> {
  const names = await readdir(directory)
  return names
    .filter((name) => /^[1-9]\d{0,8}$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

/** The files of a log: `current`, and the older ones `1`, `2`, …; whole entries go in, and files stay within the limits. */
export class LogFiles {
  readonly #directory: string
  readonly #limits: LogLimits
  #handle: FileHandle | undefined
  #length = 0
  #torn = false

  constructor(directory: string, limits: LogLimits) {
    this.#directory = directory
    this.#limits = limits
  }

  /** Opens the present file, if need be makes it, and looks how it ends. */
  async open(): Promise<Found> {
    await makeDirectory(this.#directory, 0o700)
    const handle = await open(join(this.#directory, 'current'), 'a+', 0o600)
    try {
      this.#length = (await handle.stat()).size
      const tail = Buffer.alloc(Math.min(this.#length, 64 * 1024))
      await handle.read(tail, 0, tail.length, this.#length - tail.length)
      // Killed in the middle of an entry: the next one begins on a line of its own.
      this.#torn = tail.length > 0 && tail.at(-1) !== 10
      this.#handle = handle
      return { used: this.#length + (this.#torn ? 1 : 0), open: unfinished(tail) }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /**
   * Appends entries, all of them or none.
   * @param rotate true when they begin a new file; they also do when the present one has no room for them
   * @throws the system's error
   */
  async append(entries: readonly Buffer[], rotate: boolean): Promise<void> {
    if (!this.#handle) await this.open()
    const length = entries.reduce((sum, { length }) => sum + length, 0)
    const after = this.#length + length + (this.#torn ? 1 : 0)
    if (this.#length > 0 && (rotate || after > this.#limits.size)) await this.#rotate()
    if (!this.#handle) await this.open()
    const handle = this.#handle as unknown as FileHandle
    try {
      const all = this.#torn ? [Buffer.from('\n'), ...entries] : entries
      const one = all.length === 1 ? all[0] : undefined
      await handle.appendFile(one ?? Buffer.concat(all))
      this.#length += length + (this.#torn ? 1 : 0)
      this.#torn = false
    } catch (error) {
      // Half an entry is worse than none. Whatever fails here is mended when the file is opened again.
      await handle.truncate(this.#length).catch(() => undefined)
      await this.close().catch(() => undefined)
      throw error
    }
  }

  /** Deletes the oldest of the rotated files. @returns whether there was one */
  async removeOldest(): Promise<boolean> {
    try {
      const oldest = (await rotatedFiles(this.#directory)).at(-1)
      if (oldest !== undefined) await rm(join(this.#directory, String(oldest)))
      return oldest !== undefined
    } catch {
      return false
    }
  }

  /** Lets go of the present file. */
  async close(): Promise<void> {
    const handle = this.#handle
    this.#handle = undefined
    await handle?.close()
  }

  // The oldest goes first, so that a full disk has room again. Killed at any step, the next rotation goes on from there.
  async #rotate(): Promise<void> {
    await this.close()
    const place = (name: string | number): string => join(this.#directory, String(name))
    for (const number of (await rotatedFiles(this.#directory)).reverse()) {
      if (number >= this.#limits.keep - 1) await rm(place(number), { force: true })
      else await rename(place(number), place(number + 1))
    }
    try {
      if (this.#limits.keep > 1) await rename(place('current'), place(1))
      else await rm(place('current'))
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error
    }
  }
}

function unfinished(tail: Buffer): Set<LogStream> {
  const open = new Set<LogStream>()
  for (let at = 0; at < tail.length;) {
    const head = readHead(tail, at)
    if (head?.tag === 'P') open.add(head.stream)
    else if (head) open.delete(head.stream)
    const end = tail.indexOf(10, at)
    at = end < 0 ? tail.length : end + 1
  }
  return open
}
