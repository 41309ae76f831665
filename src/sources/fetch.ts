import { resolve } from 'node:path'
import { GupperError } from '../errors.ts'
import { createClient, type ClientOptions } from '../net/client.ts'
import { formatOf } from '../package/filename.ts'
import { eachRecord, from, type Items } from '../package/flow.ts'
import { silent } from '../package/observer.ts'
import type { Item, PackageRecord } from '../package/record.ts'
import { withCacheLock } from '../store/cache.ts'
import { deliver } from '../store/deliver.ts'
import { checked, fetchCached, patience, type Fetched, type Workshop } from './download.ts'
import { inOrder } from './in-order.ts'
import { readLocal } from './local.ts'
import { withMirrors } from './mirrors.ts'

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

/**
 * Fetches what records stand for, many at once, in the order of the records. Where a `url` fails, the `mirrors` of a
 * record with a digest are tried.
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
  const { observer = silent } = options
  const shop: Workshop = { ...own, observer, client: createClient(own), tars: new Map() }
  const step = eachRecord.bind(undefined, 'fetch')
  const work = async (item: Item): Promise<Item> => {
    for await (const result of step(from([item]), (record) => fetchOne(record, shop, own))) return result
    return item
  }
  try {
    yield* inOrder(items, Math.max(1, options.jobs ?? 4), work)
  } finally {
    stop.abort()
    shop.client.close()
  }
}

async function fetchOne(
  record: PackageRecord,
  shop: Workshop,
  options: FetchOptions,
): Promise<PackageRecord> {
  const { cacheDir, signal, observer } = shop
  const { into, cwd = '.' } = options
  const fetched = await locate(record, shop, cwd)
  let { path } = fetched
  if (into !== undefined) {
    const lock = { what: `${into}/${record.file}`, wait: patience, signal, observer }
    path = await withCacheLock(cacheDir, lock.what, lock, () => deliver(fetched.path, into, record.file))
  }
  return { ...record, size: fetched.size, digest: fetched.digest, path, ...prove(record) }
}

/**
 * Earlier proofs are dropped: they were given to bytes that nobody here has seen. Only a digest that the record brought
 * proves anything, and so does who vouched for that very digest (TUF's metadata); the empty list says to `verify` that
 * the digest was just computed.
 */
function prove({ digest, proofs = [] }: PackageRecord): Pick<PackageRecord, 'proofs'> {
  return {
    proofs: digest === undefined ? [] : [{ by: 'digest' }, ...proofs.filter(({ by }) => by === 'tuf')],
  }
}

function locate(record: PackageRecord, shop: Workshop, cwd: string): Promise<Fetched> {
  const { url, path, file, digest, mirrors = [] } = record
  if (url !== undefined) {
    // Without a digest nothing says that another mirror's bytes are the same.
    const addresses = new Set([url, ...(digest === undefined ? [] : mirrors)])
    const how = { observer: shop.observer, can: `has ${file}` }
    return withMirrors([...addresses], how, (address) => fetchFrom(address, record, shop))
  }
  if (path === undefined) throw new GupperError('bad-record', `${file} has neither "url" nor "path"`)
  return readLocal(file, resolve(cwd, path)).then((fetched) => checked(record, fetched))
}

async function fetchFrom(address: string, record: PackageRecord, shop: Workshop): Promise<Fetched> {
  const url = URL.parse(address)
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return fetchCached(record, address, shop)
  if (url?.protocol === 'file:') {
    // What stands after "#" names a file in a tar.
    if (url.hash !== '' && formatOf(url.pathname).startsWith('tar')) return fetchCached(record, address, shop)
    return checked(record, await readLocal(record.file, url))
  }
  throw new GupperError('bad-record', `${record.file} has an address that cannot be fetched: ${address}`)
}
