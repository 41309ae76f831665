import { resolve } from 'node:path'
import { GupperError } from '../errors.ts'
import { createClient, type Client, type ClientOptions } from '../net/client.ts'
import { eachRecord, from, type Items } from '../package/flow.ts'
import { silent, type Observer } from '../package/observer.ts'
import type { Item, PackageRecord } from '../package/record.ts'
import { blobPath, findBlob, partialPath, withCacheLock } from '../store/cache.ts'
import { deliver } from '../store/deliver.ts'
import { openPartial, type Partial as PartialFile } from '../store/partial.ts'
import { inOrder } from './in-order.ts'
import { readLocal } from './local.ts'

/** How to fetch. */
export interface FetchOptions extends ClientOptions {
  /** Where packages are kept by digest; made when missing. */
  cacheDir: string
  /** A directory in which every package shall also stand under its file name. */
  into?: string | undefined
  /** Where relative paths of records and of `into` start; default: the process's working directory. */
  cwd?: string | undefined
  /** How many at once; default 4. */
  jobs?: number | undefined
}

/** What is known of bytes that have been fetched. */
interface Fetched {
  path: string
  size: number
  digest: string
}

interface Workshop {
  options: FetchOptions
  observer: Observer
  client: Client
}

/**
 * Fetches what records stand for, many at once, in the order of the records.
 * @param items records with a `url` (http, https, file) or a `path`; failures of earlier steps pass through
 * @returns the records with `path` (absolute), `size` and `digest`, and the proof `digest` where the record had a digest
 * that the bytes were held against
 * @throws never for a record: `wrong-size`, `wrong-digest` (65), `unreachable`, `not-found`, `denied` (69), `no-space`,
 * `cannot-write` (73), `protocol` (76) take the place of the record they befell
 */
export async function* fetchPackages(items: Items, options: FetchOptions): AsyncGenerator<Item> {
  const stop = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
  const { cwd = '.', into } = options
  const own = { ...options, signal, ...(into !== undefined && { into: resolve(cwd, into) }) }
  const shop: Workshop = { options: own, observer: options.observer ?? silent, client: createClient(own) }
  const step = eachRecord.bind(undefined, 'fetch')
  const work = async (item: Item): Promise<Item> => {
    for await (const result of step(from([item]), (record) => fetchOne(record, shop))) return result
    return item
  }
  try {
    yield* inOrder(items, Math.max(1, options.jobs ?? 4), work)
  } finally {
    stop.abort()
    shop.client.close()
  }
}

async function fetchOne(record: PackageRecord, shop: Workshop): Promise<PackageRecord> {
  const { into, cacheDir, signal } = shop.options
  const fetched = await locate(record, shop)
  let { path } = fetched
  if (into !== undefined) {
    const lock = { what: `${into}/${record.file}`, wait: patience, signal, observer: shop.observer }
    path = await withCacheLock(cacheDir, lock.what, lock, () => deliver(fetched.path, into, record.file))
  }
  return { ...record, size: fetched.size, digest: fetched.digest, path, ...prove(record) }
}

/**
 * Earlier proofs are dropped: they were given to bytes that nobody here has seen. Only a digest that the record brought
 * proves anything; the empty list says to `verify` that the digest was just computed.
 */
function prove({ digest }: PackageRecord): Pick<PackageRecord, 'proofs'> {
  return { proofs: digest === undefined ? [] : [{ by: 'digest' }] }
}

// Who waits for another process's download waits as long as that comes forward; it ends in its own time.
const patience = 24 * 3600 * 1000

async function locate(record: PackageRecord, shop: Workshop): Promise<Fetched> {
  const { url, path, file } = record
  if (url === undefined) {
    if (path === undefined) throw new GupperError('bad-record', `${file} has neither "url" nor "path"`)
    return checked(record, await readLocal(file, resolve(shop.options.cwd ?? '.', path)))
  }
  const scheme = URL.parse(url)?.protocol
  if (scheme === 'file:') return checked(record, await readLocal(file, new URL(url)))
  if (scheme === 'http:' || scheme === 'https:') return fetchCached(record, url, shop)
  throw new GupperError('bad-record', `${file} has an address that cannot be fetched: ${url}`)
}

async function fetchCached(record: PackageRecord, url: string, shop: Workshop): Promise<Fetched> {
  const { cacheDir, signal } = shop.options
  const { digest } = record
  const partial = partialPath(cacheDir, digest, url)
  const hit = async (): Promise<Fetched | undefined> => {
    const blob = digest === undefined ? undefined : await findBlob(cacheDir, digest)
    if (blob === undefined || digest === undefined) return undefined
    shop.observer.debug(`${record.file} is in the cache`, { path: blob.path })
    return checked(record, { ...blob, digest })
  }
  const lock = { what: record.file, wait: patience, signal, observer: shop.observer }
  // Looked up again under the lock: whoever held it may have fetched the very same.
  return (
    (await hit()) ??
    withCacheLock(
      cacheDir,
      partial,
      lock,
      async () => (await hit()) ?? (await download(record, url, partial, shop)),
    )
  )
}

async function download(
  record: PackageRecord,
  url: string,
  partial: string,
  shop: Workshop,
): Promise<Fetched> {
  const file = await openPartial(partial, url)
  try {
    const digest = await gather(record, url, file, shop)
    const fetched = checked(record, {
      path: blobPath(shop.options.cacheDir, digest),
      size: file.size,
      digest,
    })
    await file.moveTo(fetched.path)
    await file.close()
    return fetched
  } catch (error) {
    // What was cut off is resumed the next time. Bad bytes go, and so does what fills the disk up.
    if (error instanceof GupperError && spoiled.has(error.code)) await file.discard()
    else await file.close()
    throw error
  }
}

const spoiled = new Set(['wrong-size', 'wrong-digest', 'too-large', 'no-space'])

/** Gets the bytes that are missing; gives the digest of the whole. */
async function gather(
  record: PackageRecord,
  url: string,
  file: PartialFile,
  shop: Workshop,
): Promise<string> {
  const { observer, client } = shop
  const { size, digest, source = '' } = record
  if (size !== undefined && file.size === size && digest !== undefined) {
    // Ended between the last byte and the rename. Bytes that do not fit are fetched anew.
    const found = await file.finish()
    if (found === digest) return found
    await file.begin(0, undefined)
  }
  let total = size
  const progress = (done: boolean): void =>
    observer.progress({ file: record.file, received: file.size, total, done })
  try {
    await client.download(
      { url, source, size, offset: file.size, validator: file.validator },
      {
        async begin(start) {
          total = start.total
          if (start.offset > 0) observer.info(`${record.file}: going on from byte ${start.offset}`)
          await file.begin(start.offset, start.validator)
        },
        write(chunk) {
          const full = file.write(chunk)
          if (full !== undefined) progress(false)
          return full
        },
      },
    )
    return await file.finish()
  } finally {
    progress(true)
  }
}

/** Holds what was fetched against what the record says. */
function checked(record: Pick<PackageRecord, 'file' | 'size' | 'digest'>, fetched: Fetched): Fetched {
  const { file, size, digest } = record
  if (size !== undefined && fetched.size !== size)
    throw new GupperError('wrong-size', `${file} has ${fetched.size} bytes, but its record says ${size}`)
  if (digest !== undefined && fetched.digest !== digest)
    throw new GupperError('wrong-digest', `${file} is ${fetched.digest}, but its record says ${digest}`)
  return fetched
}
