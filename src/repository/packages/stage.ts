import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, explaining } from '../../errors.ts'
import { parseDigest } from '../../package/digest.ts'
import { isSafeName } from '../../package/filename.ts'
import type { PackageRecord } from '../../package/record.ts'
import { copyHashed } from '../../store/copy.ts'
import { makeDirectory } from '../../store/durable.ts'
import { sweep, temporaryName } from '../../store/pack-leftovers.ts'
import { isPrivateKey } from '../../store/private-key.ts'
import { longestTarget, signatureEnding } from '../layout.ts'
import { modeOf } from './plain.ts'

/** A package whose bytes are in the repository's volume, and known. */
export interface Staged {
  record: PackageRecord
  size: number
  /** SHA-256 in hexadecimal. */
  hash: string
  /** Where the bytes are. */
  temporary: string
}

// What the repository itself needs, and what an object in JavaScript takes for something else.
const reserved = new Set(['metadata', 'targets', '__proto__'])

/** Makes a directory ready for packages on their way in; what killed runs left there is deleted. */
export async function openStaging(directory: string): Promise<void> {
  await explaining(`cannot write ${directory}`, async () => {
    await makeDirectory(directory)
    await sweep(directory)
  })
}

/**
 * Copies a package's bytes into the repository's volume and hashes what it writes. Nothing shows yet.
 * @param directory see {@link openStaging}
 * @throws GupperError `bad-record`, `wrong-size`, `wrong-digest`, `bad-package` (65), `cannot-read` (69), `cannot-write`,
 * `no-space` (73)
 */
export async function stage(record: PackageRecord, directory: string, signal?: AbortSignal): Promise<Staged> {
  const { file, path, digest, size } = record
  const taken = reserved.has(file) || file.toLowerCase().endsWith(signatureEnding)
  if (!isSafeName(file) || taken || Buffer.byteLength(file) > longestTarget)
    throw new GupperError('bad-record', `"${file}" cannot be the name of a file in a repository`)
  if (path === undefined)
    throw new GupperError('bad-record', `${file}: the record does not say where the bytes are`, {
      hint: 'put `gupper fetch` before this step',
    })
  const temporary = join(directory, temporaryName())
  try {
    const copied = await copyHashed(path, temporary, { mode: modeOf(file), limit: size, signal })
    if (isPrivateKey(temporary, file))
      throw new GupperError('bad-package', `cannot publish ${path}: it is a private key`)
    if (copied.size === 0) throw new GupperError('bad-package', `cannot publish ${path}: it is empty`)
    if (size !== undefined && copied.size !== size)
      throw new GupperError('wrong-size', `${path} has ${copied.size} bytes, but its record says ${size}`)
    if (digest !== undefined && copied.digest !== digest)
      throw new GupperError('wrong-digest', `${path} is not what its record says: ${copied.digest}`)
    return { record, size: copied.size, hash: parseDigest(copied.digest) ?? '', temporary }
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Deletes what was staged and not used. */
export async function unstage(staged: Iterable<Staged>): Promise<void> {
  for (const { temporary } of staged) await rm(temporary, { force: true }).catch(() => undefined)
}
