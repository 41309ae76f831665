import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { GupperError, explaining } from '../errors.ts'
import { ArchiveGuard, defaultLimits } from './archive/guard.ts'

/** What is packed: a path in the package, and where it is. */
export type TreeEntry = { path: string; source: string; size: number } & (
  | { kind: 'file'; executable: boolean; target?: undefined }
  | { kind: 'directory'; target?: undefined }
  | { kind: 'symlink'; target: string }
)

/**
 * Finds everything in a directory, in the order of the bytes of the paths. Only the x bits are kept of the modes.
 * @param root the directory, which itself is not part of the package
 * @throws GupperError `cannot-read` (69); `bad-package` (65) when `unpack` would refuse what is there
 */
export async function collectTree(root: string): Promise<TreeEntry[]> {
  const found: TreeEntry[] = []
  const directories = ['']
  for (const directory of directories) {
    const absolute = join(root, directory)
    const names = await explaining(`cannot read ${absolute}`, () => readdir(absolute), true)
    for (const name of names) {
      const path = directory === '' ? name : `${directory}/${name}`
      if (name.includes('\uFFFD')) throw bad(join(root, path), 'its name is not UTF-8')
      const entry = await explaining(`cannot read ${join(root, path)}`, () => describe(root, path), true)
      if (entry.kind === 'directory') directories.push(path)
      found.push(entry)
    }
  }
  const keyed = found.map((entry) => ({ entry, key: Buffer.from(entry.path) }))
  const sorted = keyed.sort((a, b) => Buffer.compare(a.key, b.key)).map(({ entry }) => entry)
  hold(root, sorted)
  return sorted
}

/**
 * The only entry of a package made of one file.
 * @throws GupperError `bad-package` (65) when `unpack` would refuse its name
 */
export function collectFile(
  source: string,
  name: string,
  found: { mode: number; size: number },
): TreeEntry[] {
  const entries = [fileEntry(source, name, found)]
  hold(source, entries)
  return entries
}

async function describe(root: string, path: string): Promise<TreeEntry> {
  const source = join(root, path)
  const found = await lstat(source)
  if (found.isFile()) return fileEntry(source, path, found)
  if (found.isDirectory()) return { path, source, size: 0, kind: 'directory' }
  if (found.isSymbolicLink())
    return { path, source, size: 0, kind: 'symlink', target: await readlink(source) }
  throw bad(source, 'it is no file, directory or symbolic link')
}

function bad(path: string, why: string): GupperError {
  return new GupperError('bad-package', `cannot pack ${path}: ${why}`, { hint: 'change it, or leave it out' })
}

function fileEntry(source: string, path: string, found: { mode: number; size: number }): TreeEntry {
  return { path, source, size: found.size, kind: 'file', executable: (found.mode & 0o111) !== 0 }
}

// What could not be unpacked must not be published.
function hold(root: string, entries: readonly TreeEntry[]): void {
  const guard = new ArchiveGuard(`cannot pack ${root}`, defaultLimits)
  try {
    for (const { path, kind, size, target } of entries)
      guard.admit({
        path,
        kind,
        mode: 0,
        size,
        ...(target !== undefined && { target }),
        mtime: undefined,
        body: () => Readable.from([]),
      })
    guard.finish()
  } catch (error) {
    if (!(error instanceof GupperError)) throw error
    throw new GupperError('bad-package', error.message, { hint: 'change it, or leave it out' })
  }
}
