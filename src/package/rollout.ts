import { createHash } from 'node:crypto'
import { GupperError } from '../errors.ts'
import { parseDuration } from './duration.ts'
import type { PackageRecord } from './record.ts'
import { formatTime, isTime } from './time.ts'

/** A release that reaches the machines bit by bit: at an even rate from its start, or in waves. */
export type Rollout =
  | { start: string; rate: string; [more: string]: unknown }
  | { waves: readonly Wave[]; [more: string]: unknown }

/** From this time on, so many of a hundred machines. */
export interface Wave {
  at: string
  percent: number
  [more: string]: unknown
}

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const longest = 3650 * units.d // of waves, from the start: whatever is later is a slip
const rateForm = /^(\d{1,3}(?:\.\d{1,6})?)%\/([smhd])$/

/** Whether a value is a rollout, in the terms of `record.schema.json`. */
export function isRollout(value: unknown): value is Rollout {
  if (!isObject(value)) return false
  const { start, rate, waves } = value
  if ('start' in value && !isTime(start)) return false
  if ('rate' in value && !(typeof rate === 'string' && rateForm.test(rate))) return false
  if ('waves' in value && !(Array.isArray(waves) && waves.length > 0 && waves.every(isWave))) return false
  return ('start' in value && 'rate' in value) !== 'waves' in value
}

function isWave(value: unknown): value is Wave {
  return isObject(value) && isTime(value.at) && isPercent(value.percent)
}

function isPercent(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 100
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads a publisher's words for a rollout.
 * @param text "10%/h", "5%/d"; or waves, each with its time from the start: "10%@1h,50%@1d,100%@3d"
 * @param start when it begins
 * @param flag where it was given, for the complaint
 * @returns what the record holds
 * @throws GupperError `usage` (64)
 */
export function parseRollout(text: string, start: Date, flag = '--rollout'): Rollout {
  const rate = text.trim()
  if (rateForm.test(rate)) {
    if (parseFloat(rate) > 100) throw complaint(text, flag)
    return { start: formatTime(start), rate }
  }
  let last: { after: number; percent: number } | undefined
  const waves = text.split(',').map((word) => {
    // Whole numbers only: what is signed is canonical JSON, which knows no fractions.
    const [, percentage = '', time = ''] = /^\s*(\d{1,3})%@(.+)$/.exec(word) ?? []
    const percent = Number(percentage)
    if (percentage === '' || percent > 100) throw complaint(text, flag)
    const after = parseDuration(time, flag)
    if (after > longest)
      throw new GupperError('usage', `${flag}: a wave of "${text}" is more than ten years away`)
    if (last && (after <= last.after || percent <= last.percent))
      throw new GupperError('usage', `${flag}: each wave of "${text}" must be later and larger than the last`)
    last = { after, percent }
    return { at: formatTime(new Date(start.getTime() + after)), percent }
  })
  return { waves }
}

function complaint(text: string, flag: string): GupperError {
  return new GupperError('usage', `${flag}: "${text}" is no rollout`, {
    hint: 'write a rate such as 10%/h, or waves such as 10%@1h,50%@1d,100%@3d',
  })
}

/**
 * How many of all machines a rollout has reached.
 * @param rollout anything; what is no rollout has reached nobody
 * @param now ms since the epoch
 * @returns a share from 0 to 1, which never falls as time goes on
 */
export function shareReached(rollout: unknown, now: number): number {
  if (!isRollout(rollout)) return 0
  if ('waves' in rollout) {
    const past = (rollout.waves as readonly Wave[]).filter(({ at }) => Date.parse(at) <= now)
    return Math.max(0, ...past.map(({ percent }) => percent / 100))
  }
  const [, percent = '', unit = 's'] = rateForm.exec(rollout.rate) ?? []
  const elapsed = (now - Date.parse(rollout.start)) / units[unit as keyof typeof units]
  return elapsed > 0 ? Math.min(1, (elapsed * Number(percent)) / 100) : 0
}

/**
 * Where a machine stands in the queue of a release: the same place whenever it asks, another one at the next release.
 * @param seed what is particular to the machine
 * @returns a fraction from 0, below 1
 */
export function placeOf({ name, version }: Pick<PackageRecord, 'name' | 'version'>, seed: string): number {
  const hash = createHash('sha256').update(`${seed}\n${name}\n${version}`).digest()
  return hash.readUIntBE(0, 6) / 2 ** 48
}

/**
 * Whether a release has come as far as a machine. Without a rollout, and where it is critical, it has.
 * @param seed asked for only when it decides; undefined where the machine has none, and then it comes last
 * @param now ms since the epoch
 */
export function reached(record: PackageRecord, seed: () => string | undefined, now: number): boolean {
  if (record.rollout === undefined || record.critical === true) return true
  const share = shareReached(record.rollout, now)
  if (share <= 0 || share >= 1) return share >= 1
  const own = seed()
  return own !== undefined && placeOf(record, own) < share
}
