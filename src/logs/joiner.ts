import type { Head } from './entry.ts'
import type { LogLine, LogStream } from './log.ts'

/** Bytes of a line that is read, at most; what is longer is cut. */
export const longestJoined = 16 * 2 ** 20

interface Pending {
  time: string
  parts: Buffer[]
  length: number
}

/** Makes lines of entries again. */
export class Joiner {
  readonly #pending = new Map<LogStream, Pending>()

  /** Takes the next entry of a log. @returns the line that it ends, with the time of its first entry */
  push({ time, stream, tag }: Head, text: Buffer): LogLine | undefined {
    const pending = this.#pending.get(stream)
    if (tag === 'F' && !pending) return { time, stream, line: text.toString() }
    const line = pending ?? { time, parts: [], length: 0 }
    const kept = text.subarray(0, longestJoined - line.length)
    line.parts.push(tag === 'F' ? kept : Buffer.from(kept))
    line.length += kept.length
    if (tag === 'P') {
      this.#pending.set(stream, line)
      return undefined
    }
    this.#pending.delete(stream)
    return joined(stream, line)
  }

  /** The lines that have not ended. */
  rest(): LogLine[] {
    const lines = [...this.#pending].map(([stream, pending]) => joined(stream, pending))
    this.#pending.clear()
    return lines
  }
}

function joined(stream: LogStream, { time, parts }: Pending): LogLine {
  return { time, stream, line: Buffer.concat(parts).toString() }
}
