import { GupperError } from '../errors.ts'
import type { Client, Sink } from '../net/client.ts'
import type { Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { blobPath, findBlob, partialPath, withCacheLock } from '../store/cache.ts'
import { openPartial, type Partial as PartialFile } from '../store/partial.ts'
import { createTarOpener, parseMemberUrl, streamMember, type TarFile } from './transport/tar-file.ts'

/** What is known of bytes that have been fetched. */
export interface Fetched {
  path: string
  size: number
  digest: string
}

/** What downloads share. */
export interface Workshop {
  cacheDir: string
  observer: Observer
  signal: AbortSignal
  client: Client
  /** Ways to the tars that were read from. */
  tars: Map<string, () => Promise<TarFile>>
}

/** Who waits for another process's download waits as long as that comes forward; it ends in its own time. */
export const patience = 24 * 3600 * 1000

/**
 * Has the bytes of a record in the cache, from there or from an address.
 * @param url http, https, or file with the name of a file in a tar after "#"
 * @throws GupperError as {@link fetchPackages} says
 */
export async function fetchCached(record: PackageRecord, url: string, shop: Workshop): Promise<Fetched> {
  const { cacheDir, signal } = shop
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
    const before = file.size
    let digest = await gather(record, url, file, shop)
    if (before > 0 && record.digest !== undefined && digest !== record.digest) {
      // What an earlier run, or another mirror, left there may be what is bad.
      shop.observer.info(`${record.file}: the bytes that were there already do not fit; starting anew`)
      await file.begin(0, undefined)
      digest = await gather(record, url, file, shop)
    }
    const fetched = checked(record, {
      path: blobPath(shop.cacheDir, digest),
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
  if (size !== undefined && file.size > size) await file.begin(0, undefined)
  let total = size
  const progress = (done: boolean): void =>
    observer.progress({ file: record.file, received: file.size, total, done })
  const sink: Sink = {
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
  }
  try {
    if (/^file:/i.test(url)) await copyMember(url, record, shop, sink)
    else {
      const { size: offset, validator } = file
      await client.download({ url, source, size, offset, validator, hashed: digest !== undefined }, sink)
    }
    return await file.finish()
  } finally {
    progress(true)
  }
}

/** Copies a file out of a tar. */
async function copyMember(url: string, record: PackageRecord, shop: Workshop, sink: Sink): Promise<void> {
  const { signal, tars } = shop
  const { path, name } = parseMemberUrl(url)
  const openAgain = tars.get(path) ?? createTarOpener(path, shop)
  tars.set(path, openAgain)
  const tar = await openAgain()
  const member = tar.members.get(name)
  if (!member) throw new GupperError('not-found', `${path} holds no ${JSON.stringify(name)}`)
  // Not after gigabytes have been copied.
  checked(
    { file: record.file, ...(record.size !== undefined && { size: record.size }) },
    { ...member, path, digest: '' },
  )
  await sink.begin({ offset: 0, total: member.size, validator: undefined })
  for await (const chunk of streamMember(tar, member, signal)) {
    const full = sink.write(chunk)
    if (full !== undefined) await full
  }
}

/** Holds what was fetched against what the record says. */
export function checked(record: Pick<PackageRecord, 'file' | 'size' | 'digest'>, fetched: Fetched): Fetched {
  const { file, size, digest } = record
  if (size !== undefined && fetched.size !== size)
    throw new GupperError('wrong-size', `${file} has ${fetched.size} bytes, but its record says ${size}`)
  if (digest !== undefined && fetched.digest !== digest)
    throw new GupperError('wrong-digest', `${file} is ${fetched.digest}, but its record says ${digest}`)
  return fetched
}
