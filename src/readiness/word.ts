import type { Candidate } from './check.ts'
import { giveUp, notReady } from './patience.ts'

/** What a program says of itself, once. */
export class Word {
  /** Why it is not ready so far. */
  reason: string
  readonly #said = Promise.withResolvers<string | undefined>()

  constructor(reason: string) {
    this.reason = reason
  }

  /** It is ready. What is said first counts. */
  ready(): void {
    this.#said.resolve(undefined)
  }

  /** It will never be. */
  fail(reason: string): void {
    this.#said.resolve(reason)
  }

  /**
   * Waits for it.
   * @throws GupperError `not-ready` when it failed, or at the deadline of `signal`
   */
  async wait(candidate: Candidate, signal: AbortSignal): Promise<void> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(giveUp(candidate, signal, this.reason))
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const failure = await Promise.race([this.#said.promise, aborted.promise])
      if (failure !== undefined) throw notReady(candidate, failure)
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }
}
