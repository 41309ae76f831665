import { isUtf8 } from 'node:buffer'
import { open, type FileHandle } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { crc32, createInflateRaw } from 'node:zlib'
import type { Entry, LocalFileHeader, ZipFile } from 'yauzl'
import { GupperError } from '../../errors.ts'
import type { ArchiveEntry, ArchiveLimits } from './guard.ts'

const chunkSize = 64 * 1024

/** What is kept of an entry between looking at it and reading it. */
interface Place {
  path: string
  kind: ArchiveEntry['kind']
  mode: number
  size: number
  packed: number
  deflated: boolean
  crc: number
  mtime: Date
  /** Offsets in the file: of the local header, of the data, and of what comes after the data. */
  start: number
  data: number
  end: number
  /** Whether sizes and checksum are repeated after the data. */
  described: boolean
}

/**
 * Reads a zip archive (PKWARE APPNOTE 6.3.10; stored and deflated, zip64) an entry at a time in constant memory for the
 * data. Before the first one is given, the whole file is held against its central directory: local headers that say the
 * same, nothing between the entries, before the first or after the last, no two over each other.
 * @param file the archive
 * @throws GupperError `bad-archive` (65), the system's error, or an error of yauzl or zlib
 */
export async function* readZip(
  file: string,
  limits: ArchiveLimits,
  signal?: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  const bad = (why: string): GupperError => new GupperError('bad-archive', `${file}: ${why}`)
  const handle = await open(file)
  try {
    const { fromFdPromise, getFileNameLowLevel } = await import('yauzl')
    // Names come as bytes: the guard, not yauzl, decides about backslashes.
    const zip = await fromFdPromise(handle.fd, { lazyEntries: true, autoClose: false, decodeStrings: false })
    if (zip.entryCount > limits.entries) throw bad(`has more than ${limits.entries} entries`)
    const directory = cursorOf(zip)
    const places: Place[] = []
    let unpackedSize = 0
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted()
      const utf8 = isUtf8(entry.fileNameRaw)
        ? entry.generalPurposeBitFlag | 0x800
        : entry.generalPurposeBitFlag
      const path = getFileNameLowLevel(utf8, entry.fileNameRaw, entry.extraFields, true)
      const shown = JSON.stringify(path)
      if (entry.isEncrypted()) throw bad(`${shown} is encrypted`)
      if (!entry.canDecodeFileData())
        throw bad(`${shown} is packed by the unknown method ${entry.compressionMethod}`)
      const local = await readLocal(zip, entry)
      if (!agree(entry, local)) throw bad(`${shown} is described in two different ways`)
      unpackedSize += entry.uncompressedSize
      places.push({
        path,
        ...kindOf(entry, path),
        size: entry.uncompressedSize,
        packed: entry.compressedSize,
        deflated: entry.compressionMethod === 8,
        crc: entry.crc32,
        mtime: entry.getLastModDate({ timezone: 'UTC' }),
        start: entry.relativeOffsetOfLocalHeader,
        data: local.fileDataStart,
        end: local.fileDataStart + entry.compressedSize,
        described: (entry.generalPurposeBitFlag & 8) !== 0,
      })
    }
    if (unpackedSize > limits.ratioFrom && unpackedSize > limits.ratio * zip.fileSize)
      throw bad(`unpacks to more than ${limits.ratio} times its size`)
    if (!(await isTiled(handle, places, directory)))
      throw bad('holds bytes that its directory does not tell of')
    if (!(await isEnd(handle, cursorOf(zip), zip)))
      throw bad('has a directory of another length than it says')
    for (const place of places) {
      const entry = toEntry(handle, place, bad)
      if (entry.kind !== 'symlink') yield entry
      else if (entry.size > limits.path)
        throw bad(`${JSON.stringify(entry.path)} is a link with an impossible target`)
      else yield { ...entry, size: 0, target: await textOf(entry.body()) }
    }
  } finally {
    await handle.close()
  }
}

function toEntry(handle: FileHandle, place: Place, bad: (why: string) => GupperError): ArchiveEntry {
  const { path, kind, mode, size, mtime } = place
  const shown = JSON.stringify(path)
  return {
    path,
    kind,
    mode,
    size,
    mtime,
    async *body() {
      let crc = 0
      let read = 0
      for await (const chunk of openData(handle, place)) {
        crc = crc32(chunk, crc)
        read += chunk.length
        if (read > size) break
        yield chunk
      }
      if (read !== size || crc !== place.crc)
        throw bad(`${shown} is damaged: it has a wrong checksum or size`)
    },
  }
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

// Not through yauzl's streams: their small chunks take three times as long.
async function* openData(handle: FileHandle, { data, packed, deflated }: Place): AsyncGenerator<Buffer> {
  const source = readRange(handle, data, data + packed)
  if (!deflated) {
    yield* source
    return
  }
  const inflate = createInflateRaw({ chunkSize })
  // Its failure comes out of the inflater.
  const flowing = pipeline(source, inflate).catch(() => undefined)
  try {
    yield* inflate as AsyncIterable<Buffer>
    if (inflate.bytesWritten !== packed) throw new Error('there is more than the data')
  } finally {
    inflate.destroy()
    await flowing
  }
}

async function* readRange(handle: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end;) {
    const size = Math.min(chunkSize, end - at)
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(size), 0, size, at)
    if (bytesRead === 0) throw new Error('it ends too early')
    at += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

function readLocal(zip: ZipFile, entry: Entry): Promise<LocalFileHeader> {
  return new Promise((resolve, reject) => {
    zip.readLocalFileHeader(entry, (error: Error | null, header) => {
      if (error === null) resolve(header)
      else reject(error)
    })
  })
}

/** Where yauzl will read next in the central directory; its types call it a boolean. */
function cursorOf(zip: ZipFile): number {
  return Number(zip.readEntryCursor)
}

// The upper half of the external attributes is st_mode, when a Unix wrote it; zero when none did.
function kindOf(entry: Entry, path: string): { kind: ArchiveEntry['kind']; mode: number } {
  const mode = entry.externalFileAttributes >>> 16
  const kind = fileTypes[mode & 0o170000] ?? 'unknown'
  const slash = path.endsWith('/')
  if (kind === 'file' && slash) return { kind: 'directory', mode: mode & 0o7777 }
  if (slash && kind !== 'directory') return { kind: 'unknown', mode: 0 }
  return { kind, mode: mode & 0o7777 }
}

const fileTypes: Record<number, ArchiveEntry['kind'] | undefined> = {
  0: 'file',
  0o100000: 'file',
  0o040000: 'directory',
  0o120000: 'symlink',
  0o020000: 'device',
  0o060000: 'device',
  0o010000: 'pipe',
  0o140000: 'socket',
}

/** Whether the local header repeats what the central directory says; with a descriptor it may leave the numbers out. */
function agree(entry: Entry, local: LocalFileHeader): boolean {
  const known = 0x1 | 0x8 | 0x800
  if (!local.fileName.equals(entry.fileNameRaw)) return false
  if (local.compressionMethod !== entry.compressionMethod) return false
  if ((local.generalPurposeBitFlag & known) !== (entry.generalPurposeBitFlag & known)) return false
  const [size, packed] = localSizes(local)
  const described = (local.generalPurposeBitFlag & 8) !== 0
  const same = (here: number, there: number): boolean => here === there || (described && here === 0)
  return (
    same(local.crc32, entry.crc32) && same(size, entry.uncompressedSize) && same(packed, entry.compressedSize)
  )
}

// APPNOTE 4.5.3: in a local header the zip64 field holds both sizes, in this order.
function localSizes(local: LocalFileHeader): [size: number, packed: number] {
  const { uncompressedSize: size, compressedSize: packed, extraField } = local
  if (size !== 0xffffffff && packed !== 0xffffffff) return [size, packed]
  for (let at = 0; at + 4 <= extraField.length; at += 4 + extraField.readUInt16LE(at + 2)) {
    if (extraField.readUInt16LE(at) !== 1 || at + 20 > extraField.length) continue
    const wide = (offset: number): number => Number(extraField.readBigUInt64LE(at + 4 + offset))
    return [size === 0xffffffff ? wide(0) : size, packed === 0xffffffff ? wide(8) : packed]
  }
  return [size, packed]
}

/** Whether entries and their descriptors fill the file from its start to its directory. */
async function isTiled(handle: FileHandle, places: readonly Place[], directory: number): Promise<boolean> {
  const inOrder = places.toSorted((a, b) => a.start - b.start)
  if (directory > 0 && inOrder[0]?.start !== 0) return false
  for (const [index, place] of inOrder.entries()) {
    const gap = (inOrder[index + 1]?.start ?? directory) - place.end
    if (gap === 0 && (!place.described || place.packed === 0)) continue
    if (!place.described || !(await isDescriptor(handle, place, gap))) return false
  }
  return true
}

// APPNOTE 4.3.9: an optional signature, the checksum, then packed and unpacked size in 4 or (zip64) 8 bytes each.
async function isDescriptor(handle: FileHandle, place: Place, gap: number): Promise<boolean> {
  if (![12, 16, 20, 24].includes(gap)) return false
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(gap), 0, gap, place.end)
  if (bytesRead !== gap) return false
  const signed = gap === 16 || gap === 24
  if (signed && buffer.readUInt32LE(0) !== 0x08074b50) return false
  const rest = buffer.subarray(signed ? 4 : 0)
  const wide = rest.length === 20
  const number = (index: number): number =>
    wide ? Number(rest.readBigUInt64LE(4 + 8 * index)) : rest.readUInt32LE(4 + 4 * index)
  return rest.readUInt32LE(0) === place.crc && number(0) === place.packed && number(1) === place.size
}

/** Whether the central directory is followed by its end, at the end of the file. */
async function isEnd(handle: FileHandle, at: number, zip: ZipFile): Promise<boolean> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, at)
  if (bytesRead !== 4) return false
  const signature = buffer.readUInt32LE(0)
  const last = zip.fileSize - 22 - zip.comment.length
  return signature === 0x06064b50 ? at < last : signature === 0x06054b50 && at === last
}
