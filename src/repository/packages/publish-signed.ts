import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GupperError, errnoOf, explain, type ErrorCode } from '../../errors.ts'
import { hashFile } from '../../package/digest.ts'
import { parseFileName } from '../../package/filename.ts'
import type { PackageRecord } from '../../package/record.ts'
import { formatTime } from '../../package/time.ts'
import { canonicalize } from '../../trust/tuf/canonical.ts'
import type { Target } from '../../trust/tuf/model.ts'
import { spreadMany } from '../roles/bins.ts'
import { chooseRole } from '../roles/choose-role.ts'
import { conclude, type Outcome, type Placement } from '../conclude.ts'
import type { Draft } from '../draft.ts'
import { signaturePath, targetPath } from '../layout.ts'
import { writeSignature, type PackageSignature } from './package-signature.ts'
import { isYanked, settlePlain } from './plain.ts'
import { customOf, recordOf, released, type Release } from './release.ts'
import { renewDue, warnOfExpiry } from '../renew.ts'
import type { Staged } from './stage.ts'

// Everything else that fails is about the repository, and ends it for all of them.
const aboutRecord: readonly ErrorCode[] = ['conflict', 'bad-record', 'usage']

/** A package that cannot be published, and why. */
export interface Refusal {
  record: PackageRecord
  error: GupperError
}

/**
 * Puts packages into a signed repository: all of them, in one commit, or none.
 * @param draft the repository, which nobody else works on
 * @param staged the packages' bytes, see {@link stage}
 * @param role the role that shall vouch for them; chosen by name and key when not given
 * @param signatures of minisign, which are there before the world is told of the packages
 * @returns the records as they are published now, each with `publication`; or what cannot be published
 * @throws GupperError `config` (78) when a key is missing, and what {@link conclude} throws
 */
export async function publishSigned(
  draft: Draft,
  staged: readonly Staged[],
  release: Release,
  role?: string,
  signatures: ReadonlyMap<Staged, PackageSignature> = new Map(),
): Promise<{ records: PackageRecord[] } | { refused: Refusal[] }> {
  const refused: Refusal[] = []
  const placements: Placement[] = []
  const added = new Set<string>()
  for (const one of staged) {
    try {
      if (await add(draft, one, release, role)) added.add(one.record.file)
      if (await lacksBytes(draft, one)) placements.push({ ...one, file: one.record.file })
    } catch (error) {
      if (!(error instanceof GupperError) || !aboutRecord.includes(error.code)) throw error
      refused.push({ record: one.record, error })
    }
  }
  if (refused.length > 0) return { refused }
  if (added.size > 0) {
    await spreadMany(draft)
    await renewDue(draft)
    await warnOfExpiry(draft)
  }
  const before = (): Promise<void> => writeSignatures(draft, signatures)
  const outcome = await conclude(draft, { placements, before })
  warnOfStacking(draft, outcome)
  await heal(draft, staged, added)
  return { records: await Promise.all(staged.map((one) => describe(draft, one, added, outcome))) }
}

async function add(
  draft: Draft,
  { record, hash, size }: Staged,
  release: Release,
  role?: string,
): Promise<boolean> {
  const { file } = record
  const there = await draft.find(file)
  if (there !== undefined) {
    if (there.target.hashes.sha256 === hash && there.target.length === size) {
      if (isYanked(there.target))
        draft.observer.warn(`${file} was yanked, and stays so`, {
          hint: 'gupper yank --undo takes that back',
        })
      if (saysOther(release, there.target.custom))
        draft.observer.warn(`${file} is published already: what was said of it stays as it is`, {
          hint: 'publish it under a new version',
        })
      return false
    }
    throw new GupperError('conflict', `${file} is published with other bytes`)
  }
  refuseMisnamed(record)
  await refuseOther(draft, file, hash)
  const custom = customOf(released(record, release, formatTime(draft.now)))
  try {
    canonicalize(custom)
  } catch (cause) {
    throw new GupperError('bad-record', `${file}: its record cannot be signed: ${(cause as Error).message}`, {
      cause,
      hint: 'use whole numbers only',
    })
  }
  const targets = await draft.edit(await chooseRole(draft, file, role))
  targets.targets[file] = { length: size, hashes: { sha256: hash }, custom }
  return true
}

// A rollout starts when it is said, so that the same words are another rollout.
function saysOther({ rollout, ...release }: Release, custom: Target['custom'] = {}): boolean {
  const paceOf = (rollout: Partial<Record<string, unknown>> | undefined): unknown =>
    Array.isArray(rollout?.waves)
      ? rollout.waves.map((wave: { percent?: unknown }) => wave.percent)
      : rollout?.rate
  const said = Object.entries(release).filter(([, value]) => value !== undefined)
  const there = custom.rollout as Partial<Record<string, unknown>> | undefined
  if (rollout !== undefined && !isDeepStrictEqual(paceOf({ ...rollout }), paceOf(there))) return true
  return said.some(([field, value]) => !isDeepStrictEqual(value, custom[field]))
}

// Clients take what a package is from its name: they would leave this out, and the name would be taken for ever.
function refuseMisnamed(record: PackageRecord): void {
  const { file } = record
  const told = parseFileName(file)
  if (told === undefined)
    throw new GupperError('bad-record', `${file} is not named like a package`, {
      hint: 'name it NAME-VERSION-OS-ARCH, or make a package of it: gupper pack',
    })
  for (const field of ['name', 'version', 'os', 'arch'] as const)
    if (told[field] !== record[field])
      throw new GupperError('bad-record', `the record of ${file} says ${field} "${record[field]}"`, {
        hint: 'the name of the file and its record must tell the same: make the package with gupper pack',
      })
}

// A file that lay in the directory before it was signed is what the world knows under this name.
async function refuseOther({ layout }: Draft, file: string, hash: string): Promise<void> {
  const path = join(layout.root, file)
  try {
    const found = await lstat(path)
    if (found.isFile() && (await hashFile(path)).digest === `sha256:${hash}`) return
    throw new GupperError('conflict', `${path} is there already, with other bytes`)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw explain(error, `cannot read ${path}`, true)
  }
}

async function writeSignatures(
  { layout, observer }: Draft,
  signatures: ReadonlyMap<Staged, PackageSignature>,
): Promise<void> {
  for (const [{ record, hash }, signature] of signatures)
    await writeSignature(
      signaturePath(targetPath(layout, hash, record.file)),
      signature,
      layout.staging,
      observer,
    )
}

// Where a run was cut off before the commit, or the file was lost.
async function lacksBytes({ layout }: Draft, { record, hash, size }: Staged): Promise<boolean> {
  const path = targetPath(layout, hash, record.file)
  try {
    return (await lstat(path)).size !== size
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return true
    throw explain(error, `cannot read ${path}`, true)
  }
}

// What was published before, and whose plain file was lost.
async function heal(draft: Draft, staged: readonly Staged[], added: ReadonlySet<string>): Promise<void> {
  for (const { record } of staged) {
    const known = added.has(record.file) ? undefined : await draft.findCommitted(record.file)
    if (known !== undefined) await settlePlain(draft.layout, record.file, known.target, draft.observer)
  }
}

// Who signs must know what else they sign.
function warnOfStacking(draft: Draft, { waiting }: Outcome): void {
  for (const [role] of draft.edited) {
    const waited = draft.waiting(role)
    if (waited !== undefined && waiting.has(role))
      draft.observer.warn(`this adds to what waits for signatures in ${role}: all of it is to be signed anew`)
  }
}

async function describe(
  draft: Draft,
  { record }: Staged,
  added: ReadonlySet<string>,
  outcome: Outcome,
): Promise<PackageRecord> {
  const standing = await draft.find(record.file)
  if (standing === undefined) throw new GupperError('bug', `${record.file} is not there after all`)
  const { role, target } = standing
  const version = (await draft.read(role))?.version
  const missing = outcome.waiting.get(role)
  const waits = missing === undefined ? {} : { pending: true, missing, awaits: outcome.awaits }
  const publication = { to: draft.layout.root, changed: added.has(record.file), role, version, ...waits }
  return { ...record, ...recordOf(record.file, target), publication }
}
