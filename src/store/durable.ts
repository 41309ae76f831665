import { chmod, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { errnoOf, explaining } from '../errors.ts'

/** Brings a directory's entries to the disk, where the file system can. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } catch (error) {
    // Some file systems (FUSE, network) cannot sync a directory; there is nothing more that could be done.
    if (!['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'].includes(errnoOf(error) ?? '')) throw error
  } finally {
    await directory.close()
  }
}

/**
 * Makes a directory and those above it. Node's own recursive mkdir never ends where the system says that a directory
 * cannot be made because it is not there (/proc).
 * @param mode of those that are made
 * @returns the topmost one that was made, if any
 * @throws the system's error
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<string | undefined> {
  const place = resolve(path)
  try {
    await mkdir(place, { mode })
    return place
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') {
      if ((await stat(place)).isDirectory()) return undefined
      throw Object.assign(new Error(`${place} is not a directory`), { code: 'ENOTDIR' })
    }
    if (errnoOf(error) !== 'ENOENT' || dirname(place) === place) throw error
  }
  const above = await makeDirectory(dirname(place), mode)
  try {
    await mkdir(place, { mode })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  return above ?? place
}

/**
 * Makes a directory as {@link makeDirectory} does; one that is made has this very mode, whatever the umask is.
 * @returns whether it was made
 * @throws GupperError `cannot-write`, `no-space` (73)
 */
export async function openDirectory(path: string, mode: number): Promise<boolean> {
  return explaining(`cannot write ${path}`, async () => {
    if ((await makeDirectory(path, mode)) === undefined) return false
    await chmod(path, mode)
    return true
  })
}

/** Brings a file's bytes to the disk. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  await file.sync().finally(() => file.close())
}

/**
 * Writes a small file whole or not at all, and on the disk when it returns.
 * @param path the file
 * @param text its content
 * @param temporary a name on the same volume that is free to use
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writeDurably(path: string, text: string, temporary: string): Promise<void> {
  await explaining(`cannot write ${path}`, async () => {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncDirectory(dirname(path))
  })
}
