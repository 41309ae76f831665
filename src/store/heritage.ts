import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { createHash } from 'node:crypto'
import type { Observer } from '../package/observer.ts'
import { openTrustedStore, type TrustedPlace } from './trusted.ts'

/** Where what a root of trust vouched for is kept. */
export function placeOf(home: string, id: string): TrustedPlace {
  return {
    directory: path.join(home, 'trust', id, 'metadata'),
    marks: path.join(home, 'marks', `${id}.json`),
  }
}

/**
 * The place of a root of trust. A program that comes with a newer root of the same repository must not forget what was
 * seen before: when the given root is the very one that is trusted under another, what was trusted there is taken over.
 * @param home where this machine's state is kept
 * @param pinned the root that was given
 * @throws GupperError `cannot-read` (69), `cannot-write`, `no-space` (73), `locked` (75)
 */
export async function findTrusted(
  home: string,
  pinned: Uint8Array,
  options: { signal?: AbortSignal | undefined; observer?: Observer | undefined },
): Promise<TrustedPlace> {
  const id = createHash('sha256').update(pinned).digest('hex').slice(0, 16)
  const place = placeOf(home, id)
  if (await isThere(place.marks)) return place
  for (const other of await readdir(path.join(home, 'trust')).catch(() => [])) {
    const before = placeOf(home, other)
    const root = await readFile(path.join(before.directory, 'root.json')).catch(() => undefined)
    if (other === id || root?.equals(pinned) !== true || !(await isThere(before.marks))) continue
    const old = await openTrustedStore(before, options)
    const files = new Map<string, Uint8Array>()
    for (const role of ['root', 'timestamp', 'snapshot']) {
      const bytes = await old.read(role)
      if (bytes !== undefined) files.set(role, bytes)
    }
    const store = await openTrustedStore(place, options)
    await store.commit(files, [], old.marks)
    break
  }
  return place
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  )
}
