import { GupperError } from '../../errors.ts'
import { parseFileName } from '../../package/filename.ts'
import { parseItem, type PackageRecord } from '../../package/record.ts'
import type { Rollout } from '../../package/rollout.ts'
import { compareVersions } from '../../package/version.ts'
import type { Target } from '../../trust/tuf/model.ts'

/** What a publisher says of all packages of one run; each goes before what a record says itself. */
export interface Release {
  channel?: string | undefined
  notes?: string | undefined
  critical?: boolean | undefined
  floor?: string | undefined
  rollout?: Rollout | undefined
}

/** How long notes may be, in characters: every client downloads them. */
export const mostNotes = 64 << 10

/** The fields of a record that are signed, in this order. */
const fields = [
  ...['schema', 'name', 'version', 'os', 'arch', 'published'],
  ...['channel', 'notes', 'critical', 'floor', 'rollout'],
]

/**
 * Adds to a record what is said of its release.
 * @param published its time, "2026-11-20T10:00:00Z"
 * @throws GupperError `usage` (64) for a floor that nobody could be under, `bad-record` (65) for notes that are too long,
 * or what no record may hold
 */
export function released(record: PackageRecord, release: Release, published: string): PackageRecord {
  const said = Object.entries(release).filter(([, value]) => value !== undefined)
  const next: PackageRecord = { ...record, ...Object.fromEntries(said), published }
  if (next.floor !== undefined && compareVersions(next.floor, next.version) >= 0)
    throw new GupperError('usage', `the floor ${next.floor} is not below the version ${next.version}`, {
      hint: 'a floor is the oldest version that may update to this one directly',
    })
  if (next.notes !== undefined && next.notes.length > mostNotes)
    throw new GupperError('bad-record', `the notes of ${next.file} have more than ${mostNotes} characters`, {
      hint: 'say it shortly, and link to the rest',
    })
  // What is signed stays: no client would take a record that does not hold.
  parseItem(next)
  return next
}

/** What a target's custom data says: the record, without what only holds on one machine. */
export function customOf(record: PackageRecord): Record<string, unknown> {
  return pick(record, fields)
}

/**
 * The record of a target. What it is follows from its file name alone, as for clients: that is what a role may speak for.
 * @returns undefined for what is no package
 */
export function recordOf(file: string, { length, hashes, custom = {} }: Target): PackageRecord | undefined {
  const identity = parseFileName(file)
  if (identity === undefined) return undefined
  const { name, version, os, arch } = identity
  const digest = hashes.sha256 === undefined ? {} : { digest: `sha256:${hashes.sha256}` }
  const said = { schema: 1, ...pick(custom, [...fields, 'yanked']) }
  return { ...said, name, version, os, arch, file, size: length, ...digest } as PackageRecord
}

function pick(source: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.flatMap((name) => (source[name] === undefined ? [] : [[name, source[name]] as const])),
  )
}
