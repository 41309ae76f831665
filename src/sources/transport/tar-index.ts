import { GupperError } from '../../errors.ts'
import type { Observer } from '../../package/observer.ts'
import type { ArchiveEntry } from '../../store/archive/guard.ts'

/** A file in a tar: where its bytes are, once unpacked, and how many. */
export interface Member {
  offset: number
  size: number
  mtime: Date | undefined
}

const mostEntries = 4_000_000
const longestPath = 2048
const mostKept = 256 * 2 ** 20 // bytes of metadata that are held of an archive that has to be unpacked to be read

/**
 * Makes the table of contents of a tar of a repository's folder. Paths count from that folder: a leading "./" or "repo/"
 * falls away. Of two files of one name the last one counts, as for `tar -x`; a hard link is the file it repeats; symbolic
 * links and the like are left out.
 * @param tar its path, for the messages
 * @param keep whether to hold the bytes of what lies in a folder metadata/
 * @throws GupperError `bad-archive` (65) for names that lead out of it, links to nothing, and more than can be right
 */
export async function createTarIndex(
  tar: string,
  entries: AsyncIterable<ArchiveEntry>,
  keep: boolean,
  observer: Observer,
): Promise<{ members: Map<string, Member>; kept: Map<number, Buffer> }> {
  const bad = (why: string): GupperError => new GupperError('bad-archive', `${tar}: ${why}`)
  const files = new Map<string, Member>()
  const kept = new Map<number, Buffer>()
  let twice = 0
  let held = 0
  let count = 0
  for await (const entry of entries) {
    if (++count > mostEntries) throw bad(`has more than ${mostEntries} entries`)
    const name = normalize(entry.path, bad)
    if (entry.kind !== 'file' && entry.kind !== 'hardlink') continue
    const { offset = 0, size, mtime } = entry
    const member =
      entry.kind === 'file' ? { offset, size, mtime } : files.get(normalize(entry.target ?? '', bad))
    if (!member)
      throw bad(
        `${quoted(entry.path)} repeats ${quoted(entry.target ?? '')}, which does not stand in front of it`,
      )
    if (files.has(name)) twice++
    files.set(name, member)
    if (!keep || entry.kind !== 'file' || !/(^|\/)metadata\/[^/]+$/.test(name)) continue
    if ((held += size) > mostKept)
      throw new GupperError('too-large', `the metadata in ${tar} is larger than ${mostKept} bytes`, {
        hint: 'unpack it with gzip -d or zstd -d: in a plain tar all of it can be reached',
      })
    kept.set(offset, Buffer.concat(await Array.fromAsync(entry.body())))
  }
  if (twice > 0) observer.warn(`${tar}: ${twice} names stand in it twice; the last one counts, as for tar -x`)
  return { members: below(files, folderOf(files)), kept }
}

function normalize(name: string, bad: (why: string) => GupperError): string {
  if (Buffer.byteLength(name) > longestPath) throw bad(`has a path of more than ${longestPath} bytes`)
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (name.startsWith('/') || parts.includes('..') || name.includes('\0'))
    throw bad(`names ${quoted(name)}, which leads out of it`)
  return parts.join('/')
}

const quoted = (name: string): string => JSON.stringify(name.slice(0, 200))

/** The folder of the repository, with a slash at its end: that of the timestamp nearest to the top, else that of all. */
function folderOf(files: ReadonlyMap<string, unknown>): string {
  const stamps = [...files.keys()].filter((name) => /(^|\/)metadata\/timestamp\.json$/.test(name))
  const [nearest] = stamps.sort((a, b) => a.length - b.length)
  if (nearest !== undefined) return nearest.slice(0, -'metadata/timestamp.json'.length)
  let shared: string | undefined
  for (const name of files.keys()) {
    shared ??= name.slice(0, name.lastIndexOf('/') + 1)
    while (!name.startsWith(shared)) shared = shared.slice(0, shared.lastIndexOf('/', shared.length - 2) + 1)
  }
  return (shared ?? '').replace(/(^|\/)(metadata|targets)\/$/, '$1')
}

function below<T>(files: ReadonlyMap<string, T>, folder: string): Map<string, T> {
  const found = new Map<string, T>()
  for (const [name, file] of files) if (name.startsWith(folder)) found.set(name.slice(folder.length), file)
  return found
}
