import { setTimeout as delay } from 'node:timers/promises'
import type { Observer } from '../package/observer.ts'
import type { Limits } from './limits.ts'
import { Transient } from './trouble.ts'

/** What {@link retrying} needs to know. */
export interface RetryOptions {
  limits: Limits
  /** How long all tries may take together, in ms. */
  within: number
  signal: AbortSignal | undefined
  observer: Observer | undefined
}

/**
 * Tries something again while it fails with a {@link Transient}, with growing, uneven pauses.
 * @param work one try; it is told how long it may take, in ms, and may call `progressed` to have the count start again
 * @throws the last failure
 */
export async function retrying<T>(
  options: RetryOptions,
  work: (left: number, progressed: () => void) => Promise<T>,
): Promise<T> {
  const { limits, within, signal, observer } = options
  const deadline = performance.now() + within
  for (let failures = 0; ;) {
    signal?.throwIfAborted()
    try {
      return await work(deadline - performance.now(), () => (failures = 0))
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      if (!(error instanceof Transient) || ++failures >= limits.tries) throw error
      const pause = Math.min(limits.maxBackoff, error.retryAfter ?? limits.backoff * 2 ** (failures - 1))
      const uneven = error.retryAfter === undefined ? pause * (0.5 + Math.random()) : pause
      if (performance.now() + uneven >= deadline) throw error
      observer?.info(`${error.message}; trying again`)
      await delay(uneven, undefined, { ...(signal && { signal }) })
    }
  }
}
