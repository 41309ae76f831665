const lineFeed = 10

/** Bytes of a line at most, where lines are handed on whole; what is longer is cut. */
export const longestLine = 64 * 1024

/** Hands on whole lines of a stream of bytes, whatever chunks they come in, and keeps at most one line in memory. */
export class WholeLines {
  #held: Buffer[] = []
  #length = 0

  /** @returns the lines that are whole now, with their line feeds; a line that came in several chunks may be cut */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(lineFeed) + 1
    if (end === 0) {
      this.#hold(chunk)
      return Buffer.alloc(0)
    }
    const first = this.#length === 0 ? 0 : chunk.indexOf(lineFeed)
    this.#hold(chunk.subarray(0, first))
    const whole = Buffer.concat([...this.#held, chunk.subarray(first, end)])
    this.#held = []
    this.#length = 0
    this.#hold(chunk.subarray(end))
    return whole
  }

  #hold(part: Buffer): void {
    const kept = part.subarray(0, longestLine - this.#length)
    if (kept.length === 0) return
    this.#held.push(Buffer.from(kept))
    this.#length += kept.length
    // A line that comes byte by byte must not cost a buffer a byte.
    if (this.#held.length > 64) this.#held = [Buffer.concat(this.#held)]
  }
}

/** Goes through whole lines, each without its line feed, and cut to {@link longestLine}. */
export function* eachLine(lines: Buffer): Generator<Buffer> {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(lineFeed, at)
    yield lines.subarray(at, Math.min(end, at + longestLine))
    at = end + 1
  }
}
