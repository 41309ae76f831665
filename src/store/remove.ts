import { chmod, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, explaining } from '../errors.ts'

/**
 * Deletes a file or a whole tree, also one whose directories may not be written to; nothing there is no error.
 * @throws GupperError `cannot-write` (73)
 */
export async function remove(path: string): Promise<void> {
  await explaining(`cannot delete ${path}`, async () => {
    try {
      await rm(path, { recursive: true, force: true })
    } catch (error) {
      if (errnoOf(error) !== 'EACCES' && errnoOf(error) !== 'EPERM') throw error
      await unlock(path)
      await rm(path, { recursive: true, force: true })
    }
  })
}

async function unlock(directory: string): Promise<void> {
  await chmod(directory, 0o700)
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await unlock(join(directory, entry.name))
}
