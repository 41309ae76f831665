import { readHead } from './entry.ts'
import type { Joiner } from './joiner.ts'
import type { LogLine } from './log.ts'
import type { OpenedFile } from './opened.ts'

const blockBytes = 256 * 1024
const lineFeed = 10

/** Reads the entries of one file, as far as they are there, and later goes on from there. */
export class EntryReader {
  readonly file: OpenedFile
  #offset: number
  #bad = false

  /** @param offset where an entry begins */
  constructor(file: OpenedFile, offset = 0) {
    this.file = file
    this.#offset = offset
  }

  /**
   * The lines that end from here on. What is no entry is skipped; an entry without its line feed is not there yet.
   * @param until bytes of the file that are read at most
   */
  async *lines(joiner: Joiner, until = Infinity): AsyncGenerator<LogLine> {
    if (this.#offset >= until) return
    const buffer = Buffer.allocUnsafeSlow(blockBytes)
    for (;;) {
      const length = Math.min(blockBytes, until - this.#offset)
      if (length <= 0) return
      const { bytesRead } = await this.file.handle.read(buffer, 0, length, this.#offset)
      const block = buffer.subarray(0, bytesRead)
      const end = block.lastIndexOf(lineFeed) + 1
      // No entry is as long as a block.
      if (end === 0 && bytesRead < blockBytes) return
      this.#offset += end === 0 ? bytesRead : end
      yield* this.#entries(block.subarray(0, end), joiner)
      this.#bad = end === 0
    }
  }

  *#entries(block: Buffer, joiner: Joiner): Generator<LogLine> {
    for (let at = 0; at < block.length;) {
      const end = block.indexOf(lineFeed, at)
      const head = at === 0 && this.#bad ? undefined : readHead(block, at)
      const line = head && joiner.push(head, block.subarray(at + head.length, end))
      if (line) yield line
      at = end + 1
    }
  }
}
