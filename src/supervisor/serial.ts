/** Does one thing after the other, in the order in which they were asked for. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  /** Does `work` when all that was asked for before is done, whatever came of that. */
  do<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work, work)
    this.#last = next.catch(() => undefined)
    return next
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    for (let seen; seen !== this.#last;) {
      seen = this.#last
      await seen
    }
  }
}
