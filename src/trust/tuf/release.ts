import { parseFileName } from '../../package/filename.ts'
import { parseItem, type PackageRecord, type Proof } from '../../package/record.ts'
import type { Rollout } from '../../package/rollout.ts'
import type { Target } from './model.ts'
import type { Vouched } from './walk.ts'

// What a publisher's word is not taken for: what the path says, what the metadata says, and what only steps here may say.
const ours = new Set(
  'schema name version os arch file url source mirrors size digest path proofs installed watched error'.split(
    ' ',
  ),
)

/** The proof that a role of a repository gives. */
export function proofOf({ role, version, expires }: Vouched): Proof {
  return { by: 'tuf', role, version, expires }
}

/**
 * Makes the record of a target: what it is follows from its path, which is what a role was allowed to speak for, and
 * never from its custom data alone; size and digest are the metadata's own.
 * @returns undefined for what is no package, or is yanked; a complaint where the target cannot be taken as a record
 */
export function recordOf(vouched: Vouched): PackageRecord | string | undefined {
  const { path, target } = vouched
  const identity = path.includes('/') ? undefined : parseFileName(path)
  if (identity === undefined) return undefined
  const { custom = {}, hashes, length } = target
  if (yankOf(target) !== undefined) return undefined
  if (hashes.sha256 === undefined) return 'the metadata has no SHA-256 of it'
  const { name, version, os, arch } = identity
  for (const [field, value] of Object.entries({ name, version, os, arch })) {
    if (custom[field] !== undefined && custom[field] !== value)
      return `its metadata says ${field} ${JSON.stringify(custom[field])}`
  }
  const more = Object.fromEntries(Object.entries(custom).filter(([field]) => !ours.has(field)))
  try {
    const digest = `sha256:${hashes.sha256.toLowerCase()}`
    const record = { schema: 1, name, version, os, arch, file: path, size: length, digest, ...more }
    return parseItem({ ...record, proofs: [proofOf(vouched)] }) as PackageRecord
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** As much of a target's record as choosing needs; undefined for what is no package, or is yanked. */
export function outlineOf(vouched: Vouched): PackageRecord | undefined {
  const { path, target } = vouched
  const identity = path.includes('/') ? undefined : parseFileName(path)
  if (identity === undefined || yankOf(target) !== undefined) return undefined
  const { name, version, os, arch } = identity
  const { channel, floor, critical, rollout } = target.custom ?? {}
  const { sha256 } = target.hashes
  return {
    schema: 1,
    name,
    version,
    os,
    arch,
    file: path,
    ...(sha256 !== undefined && { digest: `sha256:${sha256.toLowerCase()}` }),
    ...(typeof channel === 'string' && { channel }),
    ...(typeof floor === 'string' && { floor }),
    ...(critical === true && { critical }),
    // Whatever it is: what is no rollout has reached nobody.
    ...(rollout !== undefined && { rollout: rollout as Rollout }),
  }
}

/** Why a target was taken back by its publisher; undefined where it was not. */
export function yankOf({ custom }: Target): string | undefined {
  const yanked = custom?.yanked
  if (yanked === undefined || yanked === null || yanked === false) return undefined
  const { reason } = yanked as { reason?: unknown }
  return typeof reason === 'string' && reason !== '' ? reason : 'no reason is given'
}

/** The name of a target's bytes below targets/, by the hash that consistent snapshots put in front (section 6.2). */
export function targetName({ path, target }: Vouched, consistent: boolean): string {
  if (!consistent) return path
  const parts = path.split('/')
  parts.push(`${target.hashes.sha256 ?? Object.values(target.hashes)[0]}.${parts.pop()}`)
  return parts.join('/')
}
