import { crc32, deflateRawSync } from 'node:zlib'

/** A tar entry as one wishes it, lies included. */
export interface TarEntry {
  name: string
  type?: string
  body?: string | Buffer
  mode?: number
  link?: string
  /** What the header says of the size, when that is not the body's. */
  size?: number
  mtime?: number
  prefix?: string
  badChecksum?: boolean
}

/** One header block and its body, padded. */
export function tarEntry(entry: TarEntry): Buffer {
  const body = Buffer.from(entry.body ?? '')
  const header = Buffer.alloc(512)
  const octal = (value: number, at: number, size: number): void => {
    header.write(value.toString(8).padStart(size - 1, '0'), at)
  }
  header.write(entry.name, 0, 100)
  octal(entry.mode ?? 0o644, 100, 8)
  octal(0, 108, 8)
  octal(0, 116, 8)
  octal(entry.size ?? body.length, 124, 12)
  octal(entry.mtime ?? 1_000_000_000, 136, 12)
  header.fill(' ', 148, 156)
  header.write(entry.type ?? '0', 156)
  header.write(entry.link ?? '', 157, 100)
  header.write('ustar\u000000', 257)
  header.write(entry.prefix ?? '', 345, 155)
  const sum = header.reduce((total, byte) => total + byte, entry.badChecksum === true ? 1 : 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, body, Buffer.alloc((512 - (body.length % 512)) % 512)])
}

/** A whole tar archive; `end` replaces the two blocks of zeros. */
export function tar(entries: readonly TarEntry[], end: Buffer = Buffer.alloc(1024)): Buffer {
  return Buffer.concat([...entries.map(tarEntry), end])
}

/** A pax extended header. */
export function pax(records: Record<string, string>, type = 'x'): TarEntry {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`
    let line = rest
    for (let length = 0; length !== Buffer.byteLength(line);) {
      length = Buffer.byteLength(line)
      line = `${length}${rest}`
    }
    return line
  })
  return { name: 'pax', type, body: lines.join('') }
}

/** A zip entry as one wishes it, lies included. */
export interface ZipEntry {
  name: string | Buffer
  body?: string | Buffer
  /** st_mode. */
  mode?: number
  deflate?: boolean
  /** What the local header says, when that is not what the central directory says. */
  local?: { name?: string; size?: number; packed?: number; crc?: number; method?: number; flags?: number }
  /** What both say, when that is not so. */
  size?: number
  crc?: number
  method?: number
  flags?: number
  /** Leaves the numbers out of the local header and puts them after the data. */
  descriptor?: boolean | { crc?: number; size?: number }
  /** Points to the local header of an entry before it. */
  sameAs?: number
  /** Is not in the central directory. */
  hidden?: boolean
  extra?: Buffer
}

/** A whole zip archive. */
export function zip(
  entries: readonly ZipEntry[],
  more: { before?: Buffer; between?: Buffer; after?: Buffer; count?: number } = {},
): Buffer {
  const parts: Buffer[] = [more.before ?? Buffer.alloc(0)]
  const central: Buffer[] = []
  const offsets: number[] = []
  const length = (): number => parts.reduce((total, part) => total + part.length, 0)
  for (const entry of entries) {
    const name = Buffer.from(entry.name)
    const body = Buffer.from(entry.body ?? '')
    const data = entry.deflate === true ? deflateRawSync(body) : body
    const method = entry.method ?? (entry.deflate === true ? 8 : 0)
    const described = entry.descriptor !== undefined && entry.descriptor !== false
    const flags = (entry.flags ?? 0x800) | (described ? 8 : 0)
    const crc = entry.crc ?? crc32(body)
    const size = entry.size ?? body.length
    const offset = entry.sameAs === undefined ? length() : (offsets[entry.sameAs] ?? 0)
    offsets.push(offset)
    if (entry.sameAs === undefined) {
      const local = Buffer.alloc(30)
      const localName = Buffer.from(entry.local?.name ?? name)
      local.writeUInt32LE(0x04034b50, 0)
      local.writeUInt16LE(20, 4)
      local.writeUInt16LE(entry.local?.flags ?? flags, 6)
      local.writeUInt16LE(entry.local?.method ?? method, 8)
      local.writeUInt16LE(0x21, 12)
      local.writeUInt32LE(entry.local?.crc ?? (described ? 0 : crc), 14)
      local.writeUInt32LE(entry.local?.packed ?? (described ? 0 : data.length), 18)
      local.writeUInt32LE(entry.local?.size ?? (described ? 0 : size), 22)
      local.writeUInt16LE(localName.length, 26)
      parts.push(local, localName, data)
      if (described) {
        const said = typeof entry.descriptor === 'object' ? entry.descriptor : {}
        const descriptor = Buffer.alloc(16)
        descriptor.writeUInt32LE(0x08074b50, 0)
        descriptor.writeUInt32LE(said.crc ?? crc, 4)
        descriptor.writeUInt32LE(data.length, 8)
        descriptor.writeUInt32LE(said.size ?? size, 12)
        parts.push(descriptor)
      }
    }
    if (entry.hidden === true) continue
    const extra = entry.extra ?? Buffer.alloc(0)
    const record = Buffer.alloc(46)
    record.writeUInt32LE(0x02014b50, 0)
    record.writeUInt16LE((3 << 8) | 20, 4)
    record.writeUInt16LE(20, 6)
    record.writeUInt16LE(flags, 8)
    record.writeUInt16LE(method, 10)
    record.writeUInt16LE(0x21, 14)
    record.writeUInt32LE(crc, 16)
    record.writeUInt32LE(data.length, 20)
    record.writeUInt32LE(size, 24)
    record.writeUInt16LE(name.length, 28)
    record.writeUInt16LE(extra.length, 30)
    record.writeUInt32LE(((entry.mode ?? 0o100644) << 16) >>> 0, 38)
    record.writeUInt32LE(offset, 42)
    central.push(record, name, extra)
  }
  parts.push(more.between ?? Buffer.alloc(0))
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  const count = more.count ?? entries.filter(({ hidden }) => hidden !== true).length
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(count, 8)
  end.writeUInt16LE(count, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(length(), 16)
  return Buffer.concat([...parts, directory, end, more.after ?? Buffer.alloc(0)])
}
