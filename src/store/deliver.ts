import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { GupperError, explaining } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { makeDirectory, syncDirectory } from './durable.ts'

/**
 * Copies a file into a directory under a name, whole or not at all; where the file system can, the bytes are shared.
 * Whoever calls it holds a lock on the target, since the temporary name is always the same: one left behind is used again.
 * @returns the absolute path of the copy
 * @throws GupperError `cannot-write` or `no-space` (73); `bad-record` (65) for a name that is more than a name
 */
export async function deliver(from: string, directory: string, name: string): Promise<string> {
  if (!isSafeName(name)) throw new GupperError('bad-record', `"${name}" is not a file name`)
  const target = resolve(directory, name)
  const short = createHash('sha256').update(name).digest('hex').slice(0, 16)
  const temporary = join(directory, `.gupper-${short}`)
  await explaining(`cannot write ${target}`, async () => {
    await makeDirectory(directory)
    await rm(temporary, { force: true })
    try {
      await copyFile(from, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
      await settle(temporary)
      await rename(temporary, target)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    await syncDirectory(directory)
  })
  return target
}

async function settle(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    // Setuid and the like do not travel.
    await file.chmod(0o644)
    await file.sync()
  } finally {
    await file.close()
  }
}
