import { setTimeout as delay } from 'node:timers/promises'
import { GupperError } from '../errors.ts'
import type { Candidate, PreparedCheck } from './check.ts'

const firstPause = 25 // ms
const longestPause = 500 // ms
const longestShared = 100 // ms, where the kernel gives most questions to another program

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
      const reason = await untilYes(question, candidate, signal)
      if (reason !== undefined) throw notReady(candidate, reason)
    },
    async again(candidate, signal) {
      // A no may be the other program's.
      if (candidate.shared === true) return untilYes(question, candidate, signal)
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

/** Asks until the answer is yes; at a deadline, the reason of the last no. */
async function untilYes(
  question: Question,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<string | undefined> {
  const longest = candidate.shared === true ? longestShared : longestPause
  let reason = 'it has not answered yet'
  for (let pause = firstPause; ; pause = Math.min(pause * 2, longest)) {
    try {
      signal.throwIfAborted()
      const answer = await question(candidate, signal)
      if (answer === undefined) return undefined
      signal.throwIfAborted()
      reason = answer
      await delay(pause, undefined, { signal })
    } catch (error) {
      if (!signal.aborted) throw error
      if (!isDeadline(signal)) throw signal.reason
      return reason
    }
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
