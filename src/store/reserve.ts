import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { errnoOf } from '../errors.ts'

/**
 * Keeps room aside on a disk that may become full, as a file that is deleted when it is needed; does nothing where there is
 * no room.
 * @param size bytes
 */
export async function keepReserve(path: string, size: number): Promise<void> {
  try {
    // Random bytes: a file system that compresses would keep no room for zeros.
    await writeFile(path, randomBytes(size), { flag: 'wx' })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') await rm(path, { force: true }).catch(() => undefined)
  }
}
