import { join } from 'node:path'
import { GupperError } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { reached } from '../package/rollout.ts'
import { readClock, warnOfClock } from './clock.ts'
import { openFirstSeen, type FirstSeen } from './first-seen.ts'
import { readSeed } from './seed.ts'

/** What only time decides of a record on this machine: conditions for a filter. */
export interface Stages {
  /** Whether the record's rollout has come as far as this machine. */
  reached: (record: PackageRecord) => boolean
  /**
   * Makes the condition that this machine first saw a build at least `minAge` ms ago. To be made anew at each look of a
   * process that lives long.
   * @throws GupperError `cannot-read` (69), `config` (78)
   */
  cooldown: (minAge: number) => Promise<(record: PackageRecord) => boolean>
}

/**
 * Makes the conditions of one process.
 * @param home where this machine's state is kept; asked for, and touched, only when something depends on it
 * @param observer hears, once, of a clock that was set back and of a place in rollouts that cannot be kept
 */
export function createStages(home: () => string, observer: Observer): Stages {
  let seed: string | undefined
  let seedless = false
  let seen: FirstSeen | undefined
  let warned = false
  const readOwn = (): string | undefined => {
    if (seedless) return undefined
    try {
      return (seed ??= readSeed(home()))
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      seedless = true
      observer.warn(`${error.message}; until a rollout is complete, the version before it is chosen`, {
        hint: `${error.hint}; or do not wait for rollouts: --now`,
      })
      return undefined
    }
  }
  return {
    reached: (record) => reached(record, readOwn, Date.now()),
    cooldown: async (minAge) => {
      const clock = await readClock(home(), { observer })
      if (!warned) warnOfClock(clock, observer)
      warned ||= clock.setBack
      const first = (seen ??= await openFirstSeen(join(home(), 'first-seen'), clock, observer))
      // Noted by the latest time seen, aged by the system's: a clock that was set back makes builds younger, never older.
      return (record) => {
        const now = Date.now()
        return now - first.of(record, Math.max(now, clock.latest.getTime())) >= minAge
      }
    },
  }
}
