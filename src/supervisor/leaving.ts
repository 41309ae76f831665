/** Programs that were told to end and take their time while something else is done. */
export class Leaving {
  readonly #ends = new Set<Promise<unknown>>()

  /** One that ends in its own time, well or not. */
  add(end: Promise<unknown>): void {
    const gone = end.catch(() => undefined).finally(() => this.#ends.delete(gone))
    this.#ends.add(gone)
  }

  /** Resolves when all are gone. */
  async settled(): Promise<void> {
    await Promise.all(this.#ends)
  }
}
