import { lstat, realpath } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { GupperError, errnoOf } from '../../errors.ts'
import { layoutOf, metadataName, metadataPath } from '../layout.ts'

/**
 * Refuses a place for private keys that would be published with a repository. Symbolic links are followed, also those
 * above what does not exist yet.
 * @param directory absolute
 * @param root a directory that is to become a repository; those that are one are known by what is in them
 * @throws GupperError `usage` (64); the system's error where the place cannot be looked at
 */
export async function demandOutside(directory: string, root?: string): Promise<void> {
  const place = await resolved(directory)
  const inside =
    root !== undefined && isWithin(place, await resolved(root)) ? root : await repositoryAbove(place)
  if (inside === undefined) return
  throw new GupperError('usage', `the keys would be inside of what is published, ${inside}`, {
    hint: `choose a directory outside of it${root === undefined ? '' : ': --keys DIR'}`,
  })
}

async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    return join(await resolved(dirname(path)), basename(path))
  }
}

function isWithin(place: string, root: string): boolean {
  const way = relative(root, place)
  return way !== '..' && !way.startsWith(`..${sep}`)
}

// A folder .gupper alone says nothing: what is installed beside it has one too.
async function repositoryAbove(place: string): Promise<string | undefined> {
  const layout = layoutOf(place)
  const signs = [metadataPath(layout, 'root', 1), join(layout.pending, metadataName('root', 1))]
  for (const sign of signs) if (await isThere(sign)) return place
  return dirname(place) === place ? undefined : repositoryAbove(dirname(place))
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}
