import { entryHead, entryTime, headBytes, pieceBytes, streams, type Tag } from './entry.ts'
import type { LogStream } from './log.ts'

/** Entries on their way to a file. */
export interface Block {
  bytes: Buffer
  /** How much of `bytes` is filled. */
  length: number
  /** How many of the program's own bytes are in it. */
  raw: number
  /** A new file begins with it. */
  rotate: boolean
  /** The streams whose line goes on after it. */
  open: ReadonlySet<LogStream>
}

interface State {
  /** The beginning of a line, or of its last piece, of which the end is not there yet; at most a piece. */
  held: Buffer
  length: number
}

const blockBytes = 256 * 1024
// Kept for what comes next: fresh memory is slow.
const pooled = 4
const lineFeed = 10

/** Makes entries of a program's bytes, whole ones into blocks, and blocks that fit into files. */
export class Packer {
  /** Bytes of the blocks that have been filled and not given back. */
  queued = 0
  readonly #size: number
  readonly #piece: number
  readonly #states: Record<LogStream, State>
  readonly #pool: Buffer[] = []
  readonly #blocks: Block[] = []
  #open: ReadonlySet<LogStream>
  #room: number
  #rotate = false

  /**
   * @param size bytes of a file
   * @param used bytes that are in the present one
   * @param open the streams that have an unfinished line in it
   */
  constructor(size: number, used: number, open: ReadonlySet<LogStream>) {
    this.#size = size
    this.#piece = Math.min(pieceBytes, size - headBytes - 1)
    this.#room = size - used
    this.#open = open
    const none = (): State => ({ held: Buffer.alloc(0), length: 0 })
    this.#states = { stdout: none(), stderr: none(), gupper: none() }
  }

  /** Takes bytes of a stream as they come; they are copied. */
  add(stream: LogStream, chunk: Buffer): void {
    const time = entryTime()
    const end = chunk.lastIndexOf(lineFeed) + 1
    if (end === 0 || !this.#addLines(stream, chunk.subarray(0, end - 1), time))
      this.#addPieces(stream, chunk, time)
    else this.#addPieces(stream, chunk.subarray(end), time)
  }

  /** Ends the line of a stream that has none. */
  end(stream: LogStream): void {
    if (this.isOpen(stream)) this.#emit(stream, 'F', entryTime(), Buffer.alloc(0), 0)
  }

  /** Whether a stream is in the middle of a line. */
  isOpen(stream: LogStream): boolean {
    return this.#states[stream].length > 0 || this.#open.has(stream)
  }

  /** What is there of a line that has not ended. */
  held(stream: LogStream): Buffer {
    const { held, length } = this.#states[stream]
    return held.subarray(0, length)
  }

  /** Makes entries of what is held back of unfinished lines. */
  release(): void {
    for (const stream of streams)
      if (this.#states[stream].length > 0) this.#emit(stream, 'P', entryTime(), Buffer.alloc(0), 0)
  }

  /** The next block to be written; it is given back with `free`. */
  next(): Block | undefined {
    return this.#blocks.shift()
  }

  /** Takes a block back. */
  free({ bytes, length }: Block): void {
    this.queued -= length
    if (bytes.length === blockBytes && this.#pool.length < pooled) this.#pool.push(bytes)
  }

  // Lines as they mostly are, all of them at once: one string replacement is faster than a copy a line.
  #addLines(stream: LogStream, lines: Buffer, time: string): boolean {
    const state = this.#states[stream]
    if (!this.#areShort(lines, state.length)) return false
    const head = entryHead(time, stream, 'F')
    const text = lines.toString('latin1').replace(/\n/g, `\n${head}`)
    const length = head.length + state.length + text.length + 1
    if (length > this.#room) return false
    this.#close(stream)
    const block = this.#block(length)
    const { bytes } = block
    let at = block.length
    at += bytes.write(head, at, 'latin1')
    at += state.held.copy(bytes, at, 0, state.length)
    at += bytes.write(text, at, 'latin1')
    bytes[at] = lineFeed
    if (stream !== 'gupper') block.raw += state.length + lines.length + 1
    state.length = 0
    this.#filled(block, length)
    return true
  }

  // Whether no line is longer than a piece.
  #areShort(lines: Buffer, held: number): boolean {
    let from = -held
    while (lines.length - from > this.#piece) {
      const end = lines.lastIndexOf(lineFeed, from + this.#piece)
      if (end < Math.max(from, 0)) return false
      from = end + 1
    }
    return true
  }

  #addPieces(stream: LogStream, chunk: Buffer, time: string): void {
    const state = this.#states[stream]
    for (let at = 0; at < chunk.length;) {
      const found = chunk.indexOf(lineFeed, at)
      const end = found < 0 ? chunk.length : found
      while (state.length + end - at > this.#piece) {
        const to = at + this.#piece - state.length
        this.#emit(stream, 'P', time, chunk.subarray(at, to), 0)
        at = to
      }
      if (found < 0) this.#hold(state, chunk.subarray(at))
      else this.#emit(stream, 'F', time, chunk.subarray(at, end), 1)
      at = end + 1
    }
  }

  #hold(state: State, part: Buffer): void {
    const length = state.length + part.length
    if (length > state.held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#piece, Math.max(256, 2 * length)))
      state.held.copy(larger, 0, 0, state.length)
      state.held = larger
    }
    part.copy(state.held, state.length)
    state.length = length
  }

  #emit(stream: LogStream, tag: Tag, time: string, text: Buffer, feeds: number): void {
    const state = this.#states[stream]
    const head = entryHead(time, stream, tag)
    const length = head.length + state.length + text.length + 1
    if (length > this.#room) {
      this.#room = this.#size
      this.#rotate = true
    }
    if (tag === 'P') this.#open = new Set(this.#open).add(stream)
    else this.#close(stream)
    const block = this.#block(length)
    const { bytes } = block
    let at = block.length
    at += bytes.write(head, at, 'latin1')
    at += state.held.copy(bytes, at, 0, state.length)
    at += text.copy(bytes, at)
    bytes[at] = lineFeed
    if (stream !== 'gupper') block.raw += state.length + text.length + feeds
    state.length = 0
    this.#filled(block, length)
  }

  #close(stream: LogStream): void {
    if (!this.#open.has(stream)) return
    const open = new Set(this.#open)
    open.delete(stream)
    this.#open = open
  }

  #filled(block: Block, length: number): void {
    block.length += length
    block.open = this.#open
    this.queued += length
    this.#room -= length
  }

  // The block that has room for so many bytes.
  #block(length: number): Block {
    const last = this.#blocks.at(-1)
    if (last && !this.#rotate && last.length + length <= last.bytes.length) return last
    const bytes =
      (length <= blockBytes ? this.#pool.pop() : undefined) ??
      Buffer.allocUnsafeSlow(Math.max(blockBytes, length))
    const block = { bytes, length: 0, raw: 0, rotate: this.#rotate, open: this.#open }
    this.#rotate = false
    this.#blocks.push(block)
    return block
  }
}
