import { createReadStream } from 'node:fs'
import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { GupperError, explain } from '../../errors.ts'
import type { TreeEntry } from '../pack-tree.ts'

const block = 512
const chunkSize = 256 * 1024

/**
 * Makes the bytes of an archive that depend on nothing but the entries: no owner, no clock, no time zone, no locale, and no
 * mark of the machine. The compressed forms also depend on the zlib or zstd that Node brings.
 * @param entries in the order they are to have
 * @param format how to pack them
 * @param epoch the time of all entries in seconds since 1970; a zip cannot say anything before 1980
 * @throws GupperError `cannot-read` (69); `bad-package` (65) when a file changes meanwhile
 */
export function makeArchive(
  entries: readonly TreeEntry[],
  format: 'tar' | 'tar.gz' | 'tar.zst' | 'zip',
  epoch: number,
): AsyncIterable<Buffer> {
  switch (format) {
    case 'zip':
      return makeZip(entries, epoch)
    case 'tar':
      return makeTar(entries, epoch)
    case 'tar.gz':
      return withoutOs(through(makeTar(entries, epoch), createGzip({ level: 6, chunkSize })))
    case 'tar.zst':
      return through(
        makeTar(entries, epoch),
        createZstdCompress({
          chunkSize,
          params: { [constants.ZSTD_c_compressionLevel]: 10, [constants.ZSTD_c_checksumFlag]: 1 },
        }),
      )
  }
}

interface Fields {
  path: string
  mode: number
  size: number
  type: 'File' | 'Directory' | 'SymbolicLink' | 'ExtendedHeader'
  linkpath?: string
}

/** POSIX ustar, with a pax header where a name is too long for it. */
async function* makeTar(entries: readonly TreeEntry[], epoch: number): AsyncGenerator<Buffer> {
  const { Header } = await import('tar/header')
  const mtime = new Date(epoch * 1000)
  const header = (fields: Fields): Buffer => {
    const made = new Header({ ...fields, uid: 0, gid: 0, uname: '', gname: '', mtime })
    made.encode()
    return made.block ?? Buffer.alloc(0)
  }
  for (const entry of entries) {
    const path = entry.kind === 'directory' ? `${entry.path}/` : entry.path
    const long = { ...(tooLong(path) && { path }), ...(tooLong(entry.target) && { linkpath: entry.target }) }
    if (Object.keys(long).length > 0) {
      const body = Buffer.concat(Object.entries(long).map(([key, value]) => paxRecord(key, value)))
      yield header({ path: 'pax', mode: 0o644, size: body.length, type: 'ExtendedHeader' })
      yield body
      yield Buffer.alloc(padding(body.length))
    }
    yield header({
      path: shorten(path),
      mode: entry.kind === 'file' && !entry.executable ? 0o644 : entry.kind === 'symlink' ? 0o777 : 0o755,
      size: entry.size,
      type: entry.kind === 'file' ? 'File' : entry.kind === 'directory' ? 'Directory' : 'SymbolicLink',
      ...(entry.target !== undefined && { linkpath: shorten(entry.target) }),
    })
    if (entry.kind !== 'file') continue
    yield* readWhole(entry)
    yield Buffer.alloc(padding(entry.size))
  }
  yield Buffer.alloc(2 * block)
}

function tooLong(name: string | undefined): name is string {
  return name !== undefined && Buffer.byteLength(name) >= 100
}

// What stands in the old field where the pax header has the name; never half a character.
function shorten(name: string): string {
  return tooLong(name)
    ? Buffer.from(name)
        .subarray(0, 99)
        .toString()
        .replace(/\uFFFD+$/, '')
    : name
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest
  while (length !== rest + String(length).length) length = rest + String(length).length
  return Buffer.from(`${length} ${key}=${value}\n`)
}

function padding(size: number): number {
  return (block - (size % block)) % block
}

async function* makeZip(entries: readonly TreeEntry[], epoch: number): AsyncGenerator<Buffer> {
  const { ZipFile } = await import('yazl')
  const zip = new ZipFile()
  const output = zip.outputStream as unknown as AsyncIterable<Buffer> & { destroy(error?: Error): void }
  const fail = (error: Error): void => output.destroy(error)
  let current: Readable | undefined
  zip.on('error', fail)
  // The extended timestamp is left out, and the old one is in no time zone.
  const common = { mtime: new DosDate(epoch * 1000), forceDosTimestamp: true }
  for (const entry of entries) {
    if (entry.kind === 'directory') {
      zip.addEmptyDirectory(entry.path, { ...common, mode: 0o40755 })
    } else if (entry.kind === 'symlink') {
      zip.addBuffer(Buffer.from(entry.target), entry.path, { ...common, mode: 0o120777, compress: false })
    } else {
      const mode = entry.executable ? 0o100755 : 0o100644
      zip.addReadStreamLazy(
        entry.path,
        { ...common, mode, size: entry.size, compressionLevel: 6 },
        (give) => {
          current = Readable.from(readWhole(entry), { objectMode: false }).on('error', fail)
          give(null, current)
        },
      )
    }
  }
  zip.end()
  try {
    yield* output
  } finally {
    current?.destroy()
  }
}

/** A date that says the same in every time zone, to a writer that asks in local time. */
class DosDate extends Date {
  override getFullYear(): number {
    return this.getUTCFullYear()
  }
  override getMonth(): number {
    return this.getUTCMonth()
  }
  override getDate(): number {
    return this.getUTCDate()
  }
  override getHours(): number {
    return this.getUTCHours()
  }
  override getMinutes(): number {
    return this.getUTCMinutes()
  }
  override getSeconds(): number {
    return this.getUTCSeconds()
  }
}

/** The bytes of a file that is as long as it was when it was found. */
async function* readWhole(entry: { source: string; size: number }): AsyncGenerator<Buffer> {
  let read = 0
  try {
    for await (const chunk of createReadStream(entry.source, {
      highWaterMark: chunkSize,
    }) as AsyncIterable<Buffer>) {
      read += chunk.length
      if (read > entry.size) break
      yield chunk
    }
  } catch (error) {
    throw explain(error, `cannot read ${entry.source}`, true)
  }
  if (read !== entry.size)
    throw new GupperError('bad-package', `${entry.source} changed while it was packed`, {
      hint: 'pack it again when nothing writes to it',
    })
}

async function* through(bytes: AsyncIterable<Buffer>, coder: Transform): AsyncGenerator<Buffer> {
  // What fails before the coder comes out of it.
  const flowing = pipeline(bytes, coder).catch(() => undefined)
  try {
    yield* coder as AsyncIterable<Buffer>
  } finally {
    coder.destroy()
    await flowing
  }
}

/** Writes "unknown" (RFC 1952, 255) where gzip says on what system it ran. */
async function* withoutOs(gzip: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let at = 0
  for await (const chunk of gzip) {
    if (at <= 9 && at + chunk.length > 9) chunk[9 - at] = 255
    at += chunk.length
    yield chunk
  }
}
