/** Takes exact amounts from a stream of chunks, holding no more than one chunk and what was asked for. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  readonly #cutOff: () => Error
  #held: Buffer = Buffer.alloc(0)
  /** Bytes taken so far. */
  taken = 0

  /**
   * @param chunks where the bytes come from
   * @param cutOff makes the error for a stream that ends too early
   */
  constructor(chunks: AsyncIterable<Buffer>, cutOff: () => Error) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.#cutOff = cutOff
  }

  /** The next `size` bytes; meant for small amounts. */
  async take(size: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for await (const part of this.stream(size)) parts.push(part)
    return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts)
  }

  /** The next `size` bytes, chunk by chunk. */
  async *stream(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0;) {
      if (this.#held.length === 0 && !(await this.#more())) throw this.#cutOff()
      const part = this.#held.subarray(0, left)
      this.#held = this.#held.subarray(part.length)
      left -= part.length
      this.taken += part.length
      yield part
    }
  }

  /** Passes over the next `size` bytes. */
  async skip(size: number): Promise<void> {
    const parts = this.stream(size)
    while ((await parts.next()).done !== true);
  }

  /** Everything up to the end. */
  async *rest(): AsyncGenerator<Buffer> {
    while (this.#held.length > 0 || (await this.#more())) {
      const part = this.#held
      this.#held = Buffer.alloc(0)
      this.taken += part.length
      yield part
    }
  }

  /** Lets go of the stream. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next()
    if (next.done === true) return false
    this.#held = next.value
    return true
  }
}
