import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createZstdDecompress } from 'node:zlib'
import { GupperError } from '../../errors.ts'
import type { ArchiveEntry, ArchiveLimits } from './guard.ts'
import { ByteReader } from './bytes.ts'

const block = 512
const maxPadding = 16 * 2 ** 20
const chunkSize = 64 * 1024

const kinds: Record<string, ArchiveEntry['kind'] | undefined> = {
  File: 'file',
  OldFile: 'file',
  ContiguousFile: 'file',
  Directory: 'directory',
  SymbolicLink: 'symlink',
  Link: 'hardlink',
  CharacterDevice: 'device',
  BlockDevice: 'device',
  FIFO: 'pipe',
}

/** What the headers before an entry say of it, over what its own header says. */
interface Extension {
  path?: string
  target?: string
  size?: number
  mtime?: Date
}

/** Bytes in a row that are taken or passed over; see {@link ByteReader}. */
export type TarBytes = Pick<ByteReader, 'taken' | 'take' | 'stream' | 'skip' | 'rest' | 'close'>

/**
 * Reads a tar archive in constant memory, from its first byte to its last; see {@link walkTar}.
 * @param file the archive
 * @param compression how its bytes are packed
 * @throws GupperError `bad-archive` (65), the system's error, or zlib's
 */
export function readTar(
  file: string,
  compression: 'tar' | 'tar.gz' | 'tar.zst',
  limits: ArchiveLimits,
  signal?: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  const bytes = unpacked(file, compression, limits, signal)
  return walkTar(file, new ByteReader(bytes, () => cutOff(file)), limits)
}

/** What is wrong with an archive whose end is missing. */
export function cutOff(file: string): GupperError {
  return new GupperError('bad-archive', `${file}: is cut off`)
}

/**
 * Walks a tar archive in the ustar, pax and GNU forms (POSIX.1-2024 pax, "ustar Interchange Format"), an entry at a time.
 * The blocks are walked here and not by the parser of `tar`, which passes over what it does not understand: here
 * everything that two readers could read differently is an error.
 * @param file the archive, for the messages
 * @param bytes its bytes, unpacked; closed at the end
 * @throws GupperError `bad-archive` (65), and what `bytes` throws
 */
export async function* walkTar(
  file: string,
  bytes: TarBytes,
  limits: Pick<ArchiveLimits, 'header' | 'bytes'>,
): AsyncGenerator<ArchiveEntry> {
  const { Header } = await import('tar/header')
  const bad = (why: string): GupperError => new GupperError('bad-archive', `${file}: ${why}`)
  try {
    let extension: Extension = {}
    for (let first = true; ; first = false) {
      const buffer = await bytes.take(block)
      if (isZero(buffer)) break
      const header = new Header(buffer)
      if (!header.cksumValid)
        throw bad(first ? 'is not a tar archive' : 'is damaged: a header has a wrong checksum')
      const { type, path = '', mode = 0 } = header
      if (isExtension(type)) {
        const size = header.size ?? 0
        if (size > limits.header) throw bad(`has an extended header of ${size} bytes`)
        const body = await bytes.take(size)
        await bytes.skip(padding(size))
        const more = readExtension(type, body, bad)
        if (Object.keys(more).some((key) => key in extension)) throw bad('names an entry twice')
        extension = { ...extension, ...more }
        continue
      }
      const name = extension.path ?? path
      const target = extension.target ?? header.linkpath
      let kind = kinds[type] ?? 'unknown'
      // Before there were directory entries, a slash made them.
      if (kind === 'file' && name.endsWith('/')) kind = 'directory'
      const size = type === 'Directory' ? 0 : (extension.size ?? header.size)
      if (size === undefined) throw bad('is damaged: an entry has no size')
      const end = bytes.taken + size
      yield {
        path: name,
        kind,
        mode: mode & 0o7777,
        size,
        ...((kind === 'symlink' || kind === 'hardlink') && target !== undefined && { target }),
        mtime: extension.mtime ?? header.mtime,
        offset: bytes.taken,
        body: () => bytes.stream(size),
      }
      await bytes.skip(end - bytes.taken + padding(size))
      extension = {}
    }
    if (Object.keys(extension).length > 0) throw bad('ends after an extended header')
    if (!isZero(await bytes.take(block))) throw bad('has something after its end')
    for await (const chunk of bytes.rest()) {
      if (!isZero(chunk)) throw bad('has something after its end')
      if (bytes.taken > limits.bytes + maxPadding) throw bad('has no end')
    }
  } finally {
    await bytes.close()
  }
}

async function* unpacked(
  file: string,
  compression: 'tar' | 'tar.gz' | 'tar.zst',
  limits: ArchiveLimits,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const source = createReadStream(file, { highWaterMark: chunkSize, ...(signal && { signal }) })
  if (compression === 'tar') {
    yield* source as AsyncIterable<Buffer>
    return
  }
  const decoder: Transform & { bytesWritten: number } =
    compression === 'tar.gz'
      ? createGunzip({ chunkSize })
      : createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: limits.windowLog } })
  // Its failure comes out of the decoder below.
  const flowing = pipeline(source, decoder).catch(() => undefined)
  const bad = (why: string): GupperError => new GupperError('bad-archive', `${file}: ${why}`)
  let size = 0
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > limits.ratioFrom && size > limits.ratio * source.bytesRead)
        throw bad(`unpacks to more than ${limits.ratio} times its size`)
      yield chunk
    }
    // zlib and zstd end quietly at the first byte that is theirs no more.
    if (decoder.bytesWritten !== (await stat(file)).size) throw bad('has something after its end')
  } finally {
    decoder.destroy()
    source.destroy()
    await flowing
  }
}

function isExtension(type: string): boolean {
  return [
    'ExtendedHeader',
    'GlobalExtendedHeader',
    'NextFileHasLongPath',
    'NextFileHasLongLinkpath',
  ].includes(type)
}

function readExtension(type: string, body: Buffer, bad: (why: string) => GupperError): Extension {
  if (type === 'NextFileHasLongPath') return { path: text(body) }
  if (type === 'NextFileHasLongLinkpath') return { target: text(body) }
  const found: Extension = {}
  for (const [key, value] of readPax(body, bad)) {
    if (key.startsWith('GNU.sparse.')) throw bad('holds a sparse file')
    if (type === 'GlobalExtendedHeader') {
      if (['path', 'linkpath', 'size'].includes(key)) throw bad(`gives one ${key} to all its entries`)
      continue
    }
    if (key === 'path') found.path = value
    else if (key === 'linkpath') found.target = value
    else if (key === 'size') {
      if (!/^\d{1,15}$/.test(value)) throw bad('has an impossible size in an extended header')
      found.size = Number(value)
    } else if (key === 'mtime' && Number.isFinite(Number(value))) found.mtime = new Date(Number(value) * 1000)
  }
  return found
}

/** The records of a pax header: "LENGTH KEY=VALUE\n", where LENGTH counts all its bytes and VALUE may hold any. */
function* readPax(body: Buffer, bad: (why: string) => GupperError): Generator<[key: string, value: string]> {
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(' ', at)
    const digits = body.toString('latin1', at, space < 0 ? at : space)
    const length = Number(digits)
    const equals = body.indexOf('=', space)
    const end = at + length - 1
    if (!/^\d{1,7}$/.test(digits) || equals <= space || equals > end || body[end] !== 0x0a)
      throw bad('is damaged: an extended header cannot be read')
    yield [body.toString('utf8', space + 1, equals), body.toString('utf8', equals + 1, end)]
    at += length
  }
}

// GNU ends a long name with a NUL; one before that is for the guard to see.
function text(body: Buffer): string {
  return (body.at(-1) === 0 ? body.subarray(0, -1) : body).toString()
}

function padding(size: number): number {
  return (block - (size % block)) % block
}

const zeros = Buffer.alloc(chunkSize)

function isZero(bytes: Buffer): boolean {
  for (let at = 0; at < bytes.length; at += zeros.length) {
    const part = bytes.subarray(at, at + zeros.length)
    if (!part.equals(zeros.subarray(0, part.length))) return false
  }
  return true
}
