import type { FileHandle } from 'node:fs/promises'

const window = 16 << 10 // bytes; most of what stands between two headers is jumped over

/** Takes bytes from an open file in a row, as {@link ByteReader} does from a stream, but passes over some by a jump. */
export class FileBytes {
  readonly #file: FileHandle
  readonly #size: number
  readonly #cutOff: () => Error
  #held: Buffer = Buffer.alloc(0)
  #heldAt = 0
  /** Bytes taken so far. */
  taken = 0

  /**
   * @param file open for reading; it stays open
   * @param size its size in bytes
   * @param cutOff makes the error for a file that ends too early
   */
  constructor(file: FileHandle, size: number, cutOff: () => Error) {
    this.#file = file
    this.#size = size
    this.#cutOff = cutOff
  }

  /** The next `size` bytes; meant for small amounts. */
  async take(size: number): Promise<Buffer> {
    if (size > this.#size - this.taken) throw this.#cutOff()
    const parts: Buffer[] = []
    for await (const part of this.stream(size)) parts.push(part)
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
  }

  /** The next `size` bytes, chunk by chunk; each is the reader's own. */
  async *stream(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      const part = await this.#next(left)
      this.taken += part.length
      left -= part.length
      yield part
    }
  }

  /** Jumps over the next `size` bytes. */
  skip(size: number): Promise<void> {
    this.taken += size
    return this.taken > this.#size ? Promise.reject(this.#cutOff()) : Promise.resolve()
  }

  /** Everything up to the end. */
  rest(): AsyncGenerator<Buffer> {
    return this.stream(this.#size - this.taken)
  }

  /** Nothing to let go of. */
  close(): Promise<void> {
    return Promise.resolve()
  }

  async #next(most: number): Promise<Buffer> {
    let from = this.taken - this.#heldAt
    if (from < 0 || from >= this.#held.length) {
      const buffer = Buffer.allocUnsafeSlow(window)
      const { bytesRead } = await this.#file.read(buffer, 0, window, this.taken)
      if (bytesRead === 0) throw this.#cutOff()
      this.#held = buffer.subarray(0, bytesRead)
      this.#heldAt = this.taken
      from = 0
    }
    return this.#held.subarray(from, from + most)
  }
}
