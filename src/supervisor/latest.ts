import type { Serial } from './serial.ts'

/** Of several that wait for their turn, only the one that came last gets it; the others are told so at once. */
export class Latest {
  readonly #serial: Serial
  #waiting: { reject: (reason: Error) => void } | undefined

  constructor(serial: Serial) {
    this.#serial = serial
  }

  /** Whoever waits does not get a turn, and is told why. */
  drop(reason: Error): void {
    this.#waiting?.reject(reason)
    this.#waiting = undefined
  }

  /**
   * Does `work` in its turn, unless somebody comes later and before.
   * @param superseded what those are told who waited until now
   */
  async do<T>(work: () => Promise<T>, superseded: Error): Promise<T> {
    this.drop(superseded)
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    const mine = (this.#waiting = { reject })
    void this.#serial.do(async () => {
      if (this.#waiting !== mine) return
      this.#waiting = undefined
      await work().then(resolve, reject)
    })
    return promise
  }
}
