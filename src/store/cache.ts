import { createHash } from 'node:crypto'
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explaining } from '../errors.ts'
import { parseDigest } from '../package/digest.ts'
import { toFailure, type Failure } from '../package/record.ts'
import { withLock, type LockOptions } from './lock.ts'
import { sidePath } from './partial.ts'
import { startTrailingHash } from './trailing-hash.ts'

/** One package in the cache, or the beginning of one. */
export interface CacheEntry {
  /** Missing where the download was not finished. */
  digest?: string
  size: number
  path: string
  /** When it was last fetched or asked for, as an ISO time. */
  used: string
  removed?: true
}

/** Where the bytes of a digest are kept: CACHE/sha256/ab/abcd…. */
export function blobPath(cacheDir: string, digest: string): string {
  const hex = parseDigest(digest)
  if (hex === undefined) throw new GupperError('bad-record', `"${digest}" is not a digest`)
  return join(cacheDir, 'sha256', hex.slice(0, 2), hex)
}

/** Where a download is gathered, by its digest, or by its address where the digest is not known. */
export function partialPath(cacheDir: string, digest: string | undefined, url: string): string {
  const hex = digest === undefined ? undefined : parseDigest(digest)
  return join(cacheDir, 'partial', hex ?? `url-${createHash('sha256').update(url).digest('hex')}`)
}

/**
 * Runs `work` while nobody else downloads, removes or places the same thing. Lock files are never deleted, so there is
 * a fixed number of them: two things may share one, which makes the second wait, no more.
 */
export function withCacheLock<T>(
  cacheDir: string,
  path: string,
  options: LockOptions,
  work: () => Promise<T>,
): Promise<T> {
  const stripe = createHash('sha256').update(path).digest('hex').slice(0, 2)
  return withLock(join(cacheDir, 'locks', stripe), options, work)
}

/**
 * Looks a digest up. A hit is hashed again before it is believed; a damaged one is thrown out.
 * @returns its path and its size in bytes, or undefined when it has to be fetched
 */
export async function findBlob(
  cacheDir: string,
  digest: string,
): Promise<{ path: string; size: number } | undefined> {
  const path = blobPath(cacheDir, digest)
  const size = await sizeOf(path)
  if (size === undefined) return undefined
  if (!(await isWhole(path, digest, size))) {
    await rm(path, { force: true })
    return undefined
  }
  // When it was last used is what prune goes by; a cache that cannot be written to can still be read.
  const now = new Date()
  await utimes(path, now, now).catch(() => undefined)
  return { path, size }
}

async function isWhole(path: string, digest: string, size: number): Promise<boolean> {
  const hash = startTrailingHash(path)
  try {
    return (await hash.finish(size)) === digest
  } catch (error) {
    // Something else than a readable file stands where the package should: it is as good as damaged.
    if (error instanceof GupperError && error.code === 'cannot-read') return false
    throw error
  } finally {
    hash.stop()
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  const entry = await stat(path).catch(() => undefined)
  return entry?.isFile() ? entry.size : undefined
}

/** Lists what the cache holds, by digest; then the downloads that were not finished. */
export async function* listCache(cacheDir: string): AsyncGenerator<CacheEntry> {
  const blobs = join(cacheDir, 'sha256')
  for (const prefix of await names(blobs)) {
    for (const hex of await names(join(blobs, prefix))) {
      const entry = await describe(join(blobs, prefix, hex))
      if (entry && parseDigest(`sha256:${hex}`) !== undefined) yield { digest: `sha256:${hex}`, ...entry }
    }
  }
  for (const name of await names(join(cacheDir, 'partial'))) {
    const entry = await describe(join(cacheDir, 'partial', name))
    if (entry && !name.endsWith('.json')) yield entry
  }
}

async function names(directory: string): Promise<string[]> {
  return explaining(
    `cannot read ${directory}`,
    async () => {
      try {
        return (await readdir(directory)).sort()
      } catch (error) {
        if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
        throw error
      }
    },
    true,
  )
}

async function describe(path: string): Promise<CacheEntry | undefined> {
  const entry = await stat(path).catch(() => undefined)
  return entry?.isFile() ? { size: entry.size, path, used: entry.mtime.toISOString() } : undefined
}

/** Hashes everything in the cache again; what is damaged is removed and reported as a failure (65). */
export async function* verifyCache(cacheDir: string): AsyncGenerator<CacheEntry | Failure> {
  for await (const entry of listCache(cacheDir)) {
    const { digest, path, size } = entry
    if (digest === undefined) continue
    if (await isWhole(path, digest, size)) {
      yield entry
      continue
    }
    await explaining(`cannot remove ${path}`, () => rm(path, { force: true }))
    const damaged = new GupperError('damaged', `${path} was damaged and has been removed`, {
      hint: 'nothing to do: it is fetched again when it is needed',
    })
    yield toFailure('cache verify', damaged, { ...entry, removed: true })
  }
}

/** What to remove from the cache. */
export interface PruneOptions {
  /** Least recently used packages go until the rest is no larger than this, in bytes. */
  maxSize?: number
  /** Packages that were not used for this long go, in ms. */
  olderThan?: number
}

// The next step of a pipe may be about to open what a fetch has just written.
const fresh = 60_000

/**
 * Removes unfinished downloads that nobody works on, and packages by age and size; never what is in use.
 * @returns what was removed
 */
export async function* pruneCache(cacheDir: string, options: PruneOptions): AsyncGenerator<CacheEntry> {
  const blobs: CacheEntry[] = []
  for await (const entry of listCache(cacheDir)) {
    if (entry.digest !== undefined) blobs.push(entry)
    else if (await remove(cacheDir, entry)) yield { ...entry, removed: true }
  }
  blobs.sort((a, b) => (a.used < b.used ? -1 : 1))
  let total = blobs.reduce((sum, { size }) => sum + size, 0)
  for (const entry of blobs) {
    // What was used in the future was used before the clock was set back.
    const age = Math.abs(Date.now() - Date.parse(entry.used))
    const old = options.olderThan !== undefined && age > options.olderThan
    const large = options.maxSize !== undefined && total > options.maxSize
    if (!(old || large) || age < fresh) continue
    if (!(await remove(cacheDir, entry))) continue
    total -= entry.size
    yield { ...entry, removed: true }
  }
}

/** Removes one entry unless somebody holds its lock. */
async function remove(cacheDir: string, { path, digest }: CacheEntry): Promise<boolean> {
  const lock = digest === undefined ? path : partialPath(cacheDir, digest, '')
  try {
    return await withCacheLock(cacheDir, lock, { what: path, wait: 0 }, () =>
      explaining(`cannot remove ${path}`, async () => {
        await rm(path, { force: true })
        if (digest === undefined) await rm(sidePath(path), { force: true })
        return true
      }),
    )
  } catch (error) {
    if (error instanceof GupperError && error.code === 'locked') return false
    throw error
  }
}
