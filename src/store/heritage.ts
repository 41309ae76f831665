import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Observer } from '../package/observer.ts'
import { idOf, type Marks } from '../trust/tuf/marks.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import { demandThreshold } from '../trust/tuf/threshold.ts'
import { openTrustedStore, type TrustedPlace, type TrustedStore } from './trusted.ts'

interface Options {
  signal?: AbortSignal | undefined
  observer?: Observer | undefined
}

/** Where what a root of trust vouched for is kept. */
export function placeOf(home: string, id: string): TrustedPlace {
  return {
    directory: path.join(home, 'trust', id, 'metadata'),
    marks: path.join(home, 'marks', `${id}.json`),
  }
}

/**
 * The place of a root of trust. A program that comes with a later root of the same repository must not forget what was
 * seen before: when the given root is one of those that were trusted under another, what was trusted there is taken over.
 * @param home where this machine's state is kept
 * @param pinned the root that was given
 * @throws GupperError `cannot-read` (69), `cannot-write`, `no-space` (73), `locked` (75)
 */
export async function findTrusted(home: string, pinned: Uint8Array, options: Options): Promise<TrustedPlace> {
  const id = idOf(pinned)
  const place = placeOf(home, id)
  if (await isThere(place.marks)) return place
  let newest: TrustedStore | undefined
  for (const other of await readdir(path.join(home, 'trust')).catch(() => [])) {
    const before = placeOf(home, other)
    const root = await readFile(path.join(before.directory, 'root.json')).catch(() => undefined)
    if (other === id || root === undefined || !(await isThere(before.marks))) continue
    const store = await openTrustedStore(before, options)
    const { roots } = store.marks
    const isHeir =
      root.equals(pinned) || roots.includes(id) || (!roots.includes(other) && signed(pinned, root))
    if (isHeir && (newest === undefined || isNewer(store.marks, newest.marks))) newest = store
  }
  if (newest === undefined) return place
  const files = new Map<string, Uint8Array>()
  for (const role of ['root', 'timestamp', 'snapshot']) {
    const bytes = await newest.read(role)
    if (bytes !== undefined) files.set(role, bytes)
  }
  const store = await openTrustedStore(place, options)
  await store.commit(files, [], newest.marks)
  return place
}

/**
 * Whether a later root is signed by the keys of the given one. That counts only where it was not kept which roots were
 * trusted from the first one on: several repositories may have the same keys.
 */
function signed(pinned: Uint8Array, later: Uint8Array): boolean {
  try {
    const [old, next] = [pinned, later].map((bytes) => parseMetadata('root', bytes, 'root.json'))
    if (old === undefined || next === undefined || next.signed.version <= old.signed.version) return false
    demandThreshold(old.signed.roles.root, old.signed.keys, next, 'root.json')
    return true
  } catch {
    return false
  }
}

function isNewer(a: Marks, b: Marks): boolean {
  return a.root === b.root ? a.timestamp > b.timestamp : a.root > b.root
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
