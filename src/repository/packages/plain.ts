import { link, lstat, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explaining } from '../../errors.ts'
import { hashFile } from '../../package/digest.ts'
import { formatOf, parseFileName } from '../../package/filename.ts'
import type { Observer } from '../../package/observer.ts'
import type { Target } from '../../trust/tuf/model.ts'
import { yankOf } from '../../trust/tuf/release.ts'
import { copyHashed } from '../../store/copy.ts'
import { makeDirectory } from '../../store/durable.ts'
import { temporaryName } from '../../store/pack-leftovers.ts'
import { longestTarget, signaturePath, targetPath, type Layout } from '../layout.ts'

/** The mode of a package: everybody may read it, and what is a program may be run where it lies. */
export function modeOf(file: string): number {
  return formatOf(file) === 'raw' ? 0o755 : 0o644
}

/** Whether a target is one that `publish` can have put there: every other plain file is somebody else's. */
export function isPackageFile(file: string): boolean {
  return parseFileName(file) !== undefined && Buffer.byteLength(file) <= longestTarget
}

/**
 * Makes REPO/FILE, which clients without trust are offered, what a target says: the same bytes, or nothing when it is
 * yanked. Its signature, where there is one, comes before it and goes after it. What no other try would mend is warned of:
 * the target is committed, and must block nothing.
 * @returns whether anything had to be done
 * @throws GupperError `cannot-write` (73)
 */
export async function settlePlain(
  layout: Layout,
  file: string,
  target: Target,
  observer: Observer,
): Promise<boolean> {
  if (!isPackageFile(file)) return false
  const path = join(layout.root, file)
  try {
    return await explaining(`cannot write ${path}`, () => settle(layout, file, target, observer))
  } catch (error) {
    if (!(error instanceof GupperError) || !isLasting(error)) throw error
    observer.warn(error.message, { hint: error.hint })
    return false
  }
}

async function settle(layout: Layout, file: string, target: Target, observer: Observer): Promise<boolean> {
  const path = join(layout.root, file)
  const from = targetPath(layout, target.hashes.sha256 ?? '', file)
  const there = await look(path)
  if (isYanked(target)) {
    if (there !== undefined) await rm(path, { force: true })
    await settleSignature(layout, signaturePath(from), signaturePath(path), false)
    return there !== undefined
  }
  const bytes = await look(from)
  if (bytes === undefined)
    throw new GupperError('cannot-write', `${from} is missing, and nobody can fetch it`, {
      hint: 'publish the same bytes once more',
    })
  await settleSignature(layout, signaturePath(from), signaturePath(path), true)
  if (there?.ino === bytes.ino && there.dev === bytes.dev) return false
  if (there?.isFile() === true && there.size === bytes.size) {
    if ((await hashFile(path)).digest === `sha256:${target.hashes.sha256 ?? ''}`) return false
  }
  if (there !== undefined)
    observer.warn(`${path} did not have the bytes that were published, and is replaced`)
  await putSame(layout, from, path, modeOf(file))
  return true
}

// What is lost, or stands in the way, does so at the next try as well; a full disk does not.
function isLasting({ code, cause }: GupperError): boolean {
  return code === 'cannot-write' && (cause === undefined || lasting.includes(errnoOf(cause) ?? ''))
}

const lasting = ['EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP', 'EINVAL']

async function putSame(layout: Layout, from: string, path: string, mode: number): Promise<void> {
  await makeDirectory(layout.staging)
  const temporary = join(layout.staging, temporaryName())
  try {
    await link(from, temporary).catch((error: unknown) => {
      if (!noLinks.includes(errnoOf(error) ?? '')) throw error
      return copyHashed(from, temporary, { mode })
    })
    await rename(temporary, path)
  } finally {
    await rm(temporary, { force: true })
  }
}

// What somebody put beside the plain file, and not beside the target, is not ours.
async function settleSignature(layout: Layout, from: string, path: string, offered: boolean): Promise<void> {
  const wanted = await look(from)
  if (wanted?.isFile() !== true) return
  const there = await look(path)
  const same =
    (there?.ino === wanted.ino && there.dev === wanted.dev) ||
    (there?.isFile() === true && (await hashFile(path)).digest === (await hashFile(from)).digest)
  if (offered && !same) await putSame(layout, from, path, 0o644)
  if (!offered && same) await rm(path, { force: true })
}

// File systems without hard links, and files that have as many as they may have.
const noLinks = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EXDEV']

/** Whether a target was taken back. */
export function isYanked(target: Target): boolean {
  return yankOf(target) !== undefined
}

/**
 * Looks at what lies under a plain name.
 * @throws GupperError `cannot-write` (73) for a directory
 */
async function look(path: string) {
  try {
    const found = await lstat(path)
    if (found.isDirectory())
      throw new GupperError('cannot-write', `cannot write ${path}: it is a directory`, {
        hint: 'move it away',
      })
    return found
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
