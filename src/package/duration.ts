import { GupperError } from '../errors.ts'

const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a length of time as people write it: "500ms", "30s", "5m", "2h", "1d"; a bare number counts seconds.
 * @param text what was given
 * @param flag where it was given, for the complaint: "--wait"
 * @returns milliseconds
 * @throws GupperError `usage` (64)
 */
export function parseDuration(text: string, flag: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)?$/.exec(text.trim())
  if (!match) throw new GupperError('usage', `${flag} takes a time such as 30s, 500ms or 2m, not "${text}"`)
  return Math.round(Number(match[1]) * (units[match[2] ?? 's'] ?? 0))
}

/**
 * Reads a whole number of at least 1.
 * @param flag the flag it was given to, for the complaint
 * @throws GupperError `usage` (64)
 */
export function parseCount(text: string, flag: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw new GupperError('usage', `${flag} takes a number from 1, not "${text}"`)
}
