import { eachLine, WholeLines } from './lines.ts'
import type { LogStream } from './log.ts'
import type { LogWriter } from './writer.ts'

type Output = Exclude<LogStream, 'gupper'>

const longestHeld = 64 * 1024 // bytes of a line that are held back until it ends
const mostHeard = 256 * 1024 // letters that are kept for a listener who comes late
const lastLines = 20
const tailBytes = 8192 // of what was written last
const lineFeed = 10

// Who has an unfinished line in a log, by stream.
const owners = new WeakMap<LogWriter, Partial<Record<Output, LogSource>>>()

/**
 * One of the programs that write to a log at the same time: its lines stay whole. Only a line that is too long to be held
 * back is ended where another program writes in between.
 */
export class LogSource {
  readonly #writer: LogWriter
  readonly #held: Record<Output, Buffer[]> = { stdout: [], stderr: [] }
  readonly #whole: Record<Output, WholeLines> = { stdout: new WholeLines(), stderr: new WholeLines() }
  readonly #listeners = new Set<(line: string) => void>()
  #heard: string[] | undefined = []
  #letters = 0
  readonly #tail = Buffer.allocUnsafeSlow(tailBytes)
  #tailLength = 0

  constructor(writer: LogWriter) {
    this.#writer = writer
    if (!owners.has(writer)) owners.set(writer, {})
  }

  /** Takes bytes as they come. @returns false when the caller should pause until `onDrain` */
  write(stream: Output, chunk: Buffer): boolean {
    this.#listen(stream, chunk)
    const end = chunk.lastIndexOf(lineFeed) + 1
    let more = true
    if (end > 0) {
      this.#flush(stream)
      more = this.#pass(stream, chunk.subarray(0, end))
    }
    if (end < chunk.length) this.#held[stream].push(Buffer.from(chunk.subarray(end)))
    const held = this.#held[stream].reduce((sum, { length }) => sum + length, 0)
    if (held > longestHeld || this.#owner[stream] === this) more = this.#flush(stream)
    return more
  }

  /** The stream has ended, and with it a last line that has no line feed. */
  end(stream: Output): void {
    this.#flush(stream)
    if (this.#owner[stream] === this) this.#writer.end(stream)
    this.#owner[stream] = undefined
  }

  /** What the supervisor has to say of it. */
  say(line: string): void {
    this.#writer.say(line)
  }

  /** Calls when writing may go on. @returns what ends that */
  onDrain(listener: () => void): () => void {
    return this.#writer.onDrain(listener)
  }

  /** Hands over each line, also those of before; one longer than 64 KiB is cut. @returns what ends that */
  onLine(listener: (line: string) => void): () => void {
    for (const line of this.#heard ?? []) listener(line)
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Nobody asks for its first lines any more. */
  settle(): void {
    this.#heard = undefined
  }

  /** The last lines that it wrote, each no longer than 1,000 letters. */
  get last(): string[] {
    const lines = [
      ...eachLine(Buffer.concat([this.#tail.subarray(0, this.#tailLength), Buffer.from('\n')])),
    ].map((line) => line.toString())
    if (lines.at(-1) === '') lines.pop()
    return lines.slice(-lastLines).map((line) => line.slice(0, 1000))
  }

  get #owner(): Partial<Record<Output, LogSource | undefined>> {
    return owners.get(this.#writer) ?? {}
  }

  #flush(stream: Output): boolean {
    const parts = this.#held[stream]
    if (parts.length === 0) return true
    this.#held[stream] = []
    return this.#pass(stream, Buffer.concat(parts))
  }

  #pass(stream: Output, bytes: Buffer): boolean {
    const owner = this.#owner[stream]
    if (owner !== undefined && owner !== this) this.#writer.end(stream)
    const more = this.#writer.write(stream, bytes)
    this.#owner[stream] = bytes.at(-1) === lineFeed ? undefined : this
    return more
  }

  // In one place of memory: a new one for each chunk would be the most that a flood of lines allocates.
  #remember(chunk: Buffer): void {
    const last = chunk.subarray(-tailBytes)
    const kept = Math.min(this.#tailLength, tailBytes - last.length)
    this.#tail.copyWithin(0, this.#tailLength - kept, this.#tailLength)
    last.copy(this.#tail, kept)
    this.#tailLength = kept + last.length
  }

  #listen(stream: Output, chunk: Buffer): void {
    this.#remember(chunk)
    if (this.#heard === undefined && this.#listeners.size === 0) return
    const lines = this.#whole[stream].push(chunk)
    for (const bytes of eachLine(lines)) {
      const line = bytes.toString()
      for (const listener of this.#listeners) listener(line)
      this.#letters += line.length
      if (this.#letters <= mostHeard) this.#heard?.push(line)
    }
  }
}
