import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import { formatTime } from '../package/time.ts'
import { topRoles, type TopRole } from '../trust/tuf/model.ts'

/** How long what a role signs stands, in ms; a delegated role's is that of targets. */
export type Lives = Readonly<Record<TopRole, number>>

const day = 86_400_000

/** What is signed by hand stands for a year; what a machine signs, only as long as nobody may notice that it stopped. */
export const defaultLives: Lives = {
  root: 365 * day,
  targets: 365 * day,
  snapshot: 30 * day,
  timestamp: 7 * day,
}

/** The lives as they are written: "root=365d, …". */
export function formatLives(lives: Lives = defaultLives): string {
  return topRoles.map((role) => `${role}=${lives[role] / day}d`).join(', ')
}

/**
 * Reads "ROLE=TIME" words. They are not kept in the repository: whoever can write there must not decide for how long the
 * keys of others sign.
 * @throws GupperError `usage` (64)
 */
export function readLives(words: readonly string[], flag = '--expires'): Lives {
  const lives: Record<TopRole, number> = { ...defaultLives }
  for (const word of words) {
    const [role = '', time = ''] = word.split('=', 2)
    if (!isTopRole(role) || time === '')
      throw new GupperError('usage', `${flag} takes ROLE=TIME, not "${word}"`, {
        hint: `for example: ${flag} timestamp=1d; the roles are ${topRoles.join(', ')}`,
      })
    const life = parseDuration(time, flag)
    if (life < 1000 || life > 100 * 365 * day)
      throw new GupperError('usage', `${flag} takes a time from a second to a hundred years, not "${time}"`)
    lives[role] = life
  }
  return lives
}

function isTopRole(word: string): word is TopRole {
  return (topRoles as readonly string[]).includes(word)
}

/** The life that a role's metadata is given. */
export function lifeOf(lives: Lives, role: string): number {
  return isTopRole(role) ? lives[role] : lives.targets
}

/** When something that is signed now ceases to stand. */
export function expiresAfter(life: number, now: Date): string {
  return formatTime(new Date(now.getTime() + life))
}

/** Whether less than half of a life is left. */
export function isHalfSpent(expires: string, life: number, now: Date): boolean {
  return Date.parse(expires) - now.getTime() < life / 2
}
