import type { FileHandle } from 'node:fs/promises'
import { open, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { GupperError, errnoOf, explain, explaining } from '../../errors.ts'
import { formatOf } from '../../package/filename.ts'
import { isAbort } from '../../package/flow.ts'
import { silent, type Observer } from '../../package/observer.ts'
import { defaultLimits, type ArchiveEntry } from '../../store/archive/guard.ts'
import { cutOff, readTar, walkTar } from '../../store/archive/tar.ts'
import { FileBytes } from '../../store/file-bytes.ts'
import { fileUrl } from '../source.ts'
import { createTarIndex, type Member } from './tar-index.ts'
import { tooLarge } from './transport.ts'

/** A tar of a repository's folder, known by its table of contents. */
export interface TarFile {
  path: string
  /** Which bytes were looked at: another stamp is another file. */
  stamp: string
  /** Its files by their path below the repository's folder. */
  members: ReadonlyMap<string, Member>
  /** What of metadata/ was met on the way; only where nothing can be read at a place of its own. */
  kept: ReadonlyMap<number, Buffer>
}

export interface TarOptions {
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
}

const limits = { ...defaultLimits, bytes: Infinity }
const chunk = 1 << 20

/** Gives a way to have a tar's contents that reads them again only after the file was replaced. */
export function createTarOpener(path: string, options: TarOptions): () => Promise<TarFile> {
  let last: { stamp: string; tar: Promise<TarFile> } | undefined
  return async () => {
    const stamp = stampOf(await explaining(`cannot read ${path}`, () => stat(path, { bigint: true }), true))
    if (last?.stamp !== stamp) last = { stamp, tar: readContents(path, options) }
    try {
      return await last.tar
    } catch (error) {
      last = undefined
      throw error
    }
  }
}

/** The address of a file in a tar: file:///abs/repo.tar#targets/HASH.FILE */
export function memberUrl(tar: string, name: string): string {
  return `${fileUrl(tar)}#${name.split('/').map(encodeURIComponent).join('/')}`
}

/**
 * Reads such an address.
 * @throws GupperError `bad-record` (65) when it is none
 */
export function parseMemberUrl(address: string): { path: string; name: string } {
  try {
    const url = new URL(address)
    return { path: fileURLToPath(url), name: decodeURIComponent(url.hash.slice(1)) }
  } catch (error) {
    throw new GupperError('bad-record', `not an address of a file in a tar: ${address}`, { cause: error })
  }
}

/**
 * A file of a tar whole, or undefined when there is none of that name.
 * @throws GupperError `too-large` (76), `cannot-read` (69), `bad-archive` (65)
 */
export async function readMember(tar: TarFile, name: string, maxBytes: number): Promise<Buffer | undefined> {
  const member = tar.members.get(name)
  if (!member) return undefined
  if (member.size > maxBytes) throw tooLarge(`${name} in ${tar.path}`, maxBytes)
  const kept = tar.kept.get(member.offset)
  return kept ?? Buffer.concat(await Array.fromAsync(streamMember(tar, member)))
}

/**
 * The bytes of a file of a tar.
 * @throws GupperError `cannot-read` (69) when the tar was replaced meanwhile, `bad-archive` (65)
 */
export async function* streamMember(
  tar: TarFile,
  member: Member,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const { path } = tar
  const format = formatOf(path)
  try {
    await using file = await open(path, 'r')
    const changed = (): GupperError =>
      new GupperError('cannot-read', `${path} was replaced while it was read`, {
        hint: 'run the same command again',
      })
    if (stampOf(await file.stat({ bigint: true })) !== tar.stamp) throw changed()
    if (format === 'tar') {
      yield* readStretch(file, member, () => cutOff(path), signal)
      return
    }
    for await (const entry of readTar(path, format as 'tar.gz' | 'tar.zst', limits, signal)) {
      if (entry.offset !== member.offset) continue
      yield* entry.body()
      return
    }
    throw changed()
  } catch (error) {
    throw translate(path, error)
  }
}

async function* readStretch(
  file: FileHandle,
  { offset, size }: Member,
  cut: () => GupperError,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  for (let have = 0; have < size;) {
    signal?.throwIfAborted()
    const length = Math.min(chunk, size - have)
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, offset + have)
    if (bytesRead === 0) throw cut()
    have += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function readContents(path: string, { observer = silent, signal }: TarOptions): Promise<TarFile> {
  const format = formatOf(path)
  try {
    await using file = await open(path, 'r')
    const entry = await file.stat({ bigint: true })
    if (!entry.isFile()) throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
    const packed = format !== 'tar'
    const entries: AsyncIterable<ArchiveEntry> = packed
      ? readTar(path, format as 'tar.gz' | 'tar.zst', limits, signal)
      : walkTar(path, new FileBytes(file, Number(entry.size), () => cutOff(path)), limits)
    return { path, stamp: stampOf(entry), ...(await createTarIndex(path, entries, packed, observer)) }
  } catch (error) {
    throw translate(path, error)
  }
}

function stampOf({ dev, ino, size, mtimeNs }: Record<'dev' | 'ino' | 'size' | 'mtimeNs', bigint>): string {
  return [dev, ino, size, mtimeNs].join(':')
}

function translate(path: string, error: unknown): unknown {
  if (error instanceof GupperError || isAbort(error)) return error
  if (errnoOf(error) !== undefined) return explain(error, `cannot read ${path}`, true)
  const why = error instanceof Error ? error.message : String(error)
  return new GupperError('bad-archive', `${path}: is damaged: ${why}`, { cause: error })
}
