import { link, lstat, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explain, explaining } from '../../errors.ts'
import { hashFile } from '../../package/digest.ts'
import { silent, type Observer } from '../../package/observer.ts'
import type { PackageRecord } from '../../package/record.ts'
import { formatTime } from '../../package/time.ts'
import { syncDirectory } from '../../store/durable.ts'
import { signaturePath } from '../layout.ts'
import { writeSignature, type PackageSignature } from './package-signature.ts'
import type { Refusal } from './publish-signed.ts'
import { released, type Release } from './release.ts'
import type { Staged } from './stage.ts'

/**
 * Puts packages into a plain directory, each whole or not at all; when one of them cannot be, none is.
 * @param directory absolute; the staged bytes are on its volume
 * @param signatures of minisign, each of which is there before its package; nobody else may be writing any
 * @returns the records with `publication`, or what cannot be published
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function publishUnsigned(
  directory: string,
  staged: readonly Staged[],
  release: Release,
  now: Date,
  signatures: ReadonlyMap<Staged, PackageSignature> = new Map(),
  observer: Observer = silent,
): Promise<{ records: PackageRecord[] } | { refused: Refusal[] }> {
  const refused: Refusal[] = []
  const known = new Map<string, string>()
  const work: { one: Staged; record: PackageRecord; there: boolean }[] = []
  for (const one of staged) {
    try {
      const { file } = one.record
      const hash = known.get(file) ?? (await hashOf(join(directory, file)))
      if (hash !== undefined && hash !== one.hash)
        throw new GupperError('conflict', `${join(directory, file)} is there already, with other bytes`)
      known.set(file, one.hash)
      work.push({ one, record: released(one.record, release, formatTime(now)), there: hash !== undefined })
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      refused.push({ record: one.record, error })
    }
  }
  if (refused.length > 0) return { refused }
  const records: PackageRecord[] = []
  for (const { one, record, there } of work) {
    const path = join(directory, record.file)
    const signature = signatures.get(one)
    const signed =
      signature !== undefined &&
      (await writeSignature(signaturePath(path), signature, directory, there ? observer : silent))
    let changed = false
    try {
      changed = !there && (await enter(one, path))
    } catch (error) {
      if (signed) await rm(signaturePath(path), { force: true })
      throw error
    }
    records.push({
      ...record,
      size: one.size,
      digest: `sha256:${one.hash}`,
      publication: { to: directory, changed },
    })
  }
  await explaining(`cannot write ${directory}`, () => syncDirectory(directory))
  return { records }
}

/** Gives bytes their name; a link, so that what is there is never replaced. */
async function enter({ temporary, hash }: Staged, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw explain(error, `cannot write ${path}`)
    // Another publisher was faster.
    if ((await hashOf(path)) === hash) return false
    throw new GupperError('conflict', `${path} is there already, with other bytes`, { cause: error })
  }
}

async function hashOf(path: string): Promise<string | undefined> {
  try {
    const found = await lstat(path)
    if (!found.isFile()) throw new GupperError('cannot-write', `cannot write ${path}: it is not a file`)
    return (await hashFile(path)).digest.slice('sha256:'.length)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw explain(error, `cannot read ${path}`, true)
  }
}
