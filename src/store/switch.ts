import { copyFile, link, rename, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, explaining } from '../errors.ts'
import { syncDirectory, syncFile } from './durable.ts'
import type { Slot } from './receipt.ts'
import { remove } from './remove.ts'
import { contentOf, type Home } from './slots.ts'

/**
 * Makes a slot the one that stands at the target, in one rename: at every instant there is a whole program.
 * @param home of the target; the lock is held
 * @param slot one that is complete on the disk
 * @throws GupperError `cannot-write`, `no-space` (73)
 */
export async function switchTo(home: Home, slot: Slot): Promise<void> {
  const next = join(home.temporary, 'next')
  await explaining(`cannot switch ${home.target}`, async () => {
    await remove(next)
    if (slot.kind === 'file') await linkOrCopy(contentOf(home, slot), next)
    else await symlink(slot.link ?? '', next)
    await rename(next, home.target)
    // A rename between two names of the same inode does nothing and leaves both.
    await remove(next)
    await syncDirectory(dirname(home.target))
  })
}

const noLinks = ['EPERM', 'EACCES', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']

/** A hard link, or a copy where the file system or its rules allow none (FAT, some FUSE, files of other users). */
export async function linkOrCopy(source: string, destination: string): Promise<void> {
  try {
    await link(source, destination)
  } catch (error) {
    if (!noLinks.includes(errnoOf(error) ?? '')) throw error
    await copyFile(source, destination)
    await syncFile(destination)
  }
}
