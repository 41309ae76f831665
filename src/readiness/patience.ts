import { setTimeout as delay } from 'node:timers/promises'
import { GupperError } from '../errors.ts'
import type { Candidate, PreparedCheck } from './check.ts'

const firstPause = 25 // ms
const longestPause = 500 // ms

/** One question: undefined is yes, a reason is no. May throw the signal's reason when that is aborted. */
export type Question = (candidate: Candidate, signal: AbortSignal) => Promise<string | undefined>

/**
 * A check that asks until the answer is yes.
 * @param question asks once
 */
export function asking(question: Question): PreparedCheck {
  return {
    inherit: { env: {}, fds: {} },
    async wait(candidate, signal) {
      let reason: string | undefined = 'it has not answered yet'
      for (let pause = firstPause; ; pause = Math.min(pause * 2, longestPause)) {
        try {
          signal.throwIfAborted()
          const answer = await question(candidate, signal)
          if (answer === undefined) return
          signal.throwIfAborted()
          reason = answer
          await delay(pause, undefined, { signal })
        } catch (error) {
          throw signal.aborted ? giveUp(candidate, signal, reason) : error
        }
      }
    },
    async again(candidate, signal) {
      try {
        return await question(candidate, signal)
      } catch (error) {
        if (!signal.aborted) throw error
        if (!isDeadline(signal)) throw signal.reason
        return 'it did not answer in time'
      }
    },
    close: () => Promise.resolve(),
  }
}

/** What a wait ends with when its signal was aborted: `not-ready` with a reason at a deadline, else the signal's own. */
export function giveUp(candidate: Candidate, signal: AbortSignal, reason: string): unknown {
  return isDeadline(signal) ? notReady(candidate, reason) : signal.reason
}

/** The failure of a program that is not ready. */
export function notReady({ version }: Candidate, reason: string): GupperError {
  return new GupperError('not-ready', `${version} is not ready: ${reason}`)
}

function isDeadline({ reason }: AbortSignal): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError'
}
