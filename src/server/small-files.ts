import type { Entry } from './entry.ts'

const budget = 16 << 20

/** A small file in memory, proven to be what its digest says, and the head of its usual answer. */
export interface SmallFile {
  entry: Entry
  bytes: Buffer
  headers: readonly string[]
}

/** The small files that were asked for last, in bounded memory. */
export class SmallFiles {
  readonly #files = new Map<string, SmallFile>()
  #bytes = 0

  /** The file in the state of `entry`, if it is here. */
  get(entry: Entry): SmallFile | undefined {
    const file = this.#files.get(entry.file)
    if (file === undefined || file.entry === entry) return file
    this.#drop(file)
    return undefined
  }

  add(file: SmallFile): void {
    const before = this.#files.get(file.entry.file)
    if (before) this.#drop(before)
    this.#files.set(file.entry.file, file)
    this.#bytes += file.bytes.length
    // The one that came first goes first: telling who was asked for last would cost every request something.
    for (const oldest of this.#files.values()) {
      if (this.#bytes <= budget) break
      this.#drop(oldest)
    }
  }

  #drop(file: SmallFile): void {
    this.#files.delete(file.entry.file)
    this.#bytes -= file.bytes.length
  }
}
