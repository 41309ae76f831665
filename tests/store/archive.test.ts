import { execFileSync } from 'node:child_process'
import { lstat, mkdir, mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Format } from '../../src/package/filename.ts'
import { inspect, syncTree, unpack, type UnpackOptions } from '../../src/store/archive/archive.ts'
import { pax, tar, tarEntry, zip, type TarEntry, type ZipEntry } from './forge.ts'

let directory: string
let into: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gupper-archive-'))
  into = join(directory, 'into')
  await mkdir(into)
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

function has(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`])
    return true
  } catch {
    return false
  }
}

async function unpackBytes(format: Format, bytes: Buffer, options: UnpackOptions = {}) {
  const file = join(directory, `archive.${format}`)
  await writeFile(file, bytes)
  return unpack(file, format, into, options)
}

/** What stands outside of `into` and the archive, and what is in `into`. */
async function traces(): Promise<{ outside: string[]; inside: string[] }> {
  const outside = (await readdir(directory)).filter((name) => name !== 'into' && !name.startsWith('archive.'))
  return { outside, inside: (await readdir(into, { recursive: true })).sort() }
}

async function expectRefusal(
  format: Format,
  bytes: Buffer,
  message: RegExp,
  placed: readonly string[] = [],
  options: UnpackOptions = {},
): Promise<void> {
  const refusal = await unpackBytes(format, bytes, options).then(
    () => new Error('it was unpacked'),
    (error: unknown) => error as Error,
  )
  expect(refusal).toMatchObject({ name: 'GupperError', code: 'bad-archive', exit: 65 })
  expect(refusal.message).toMatch(message)
  expect(refusal.message).toContain(join(directory, 'archive.'))
  expect(await traces()).toEqual({ outside: [], inside: [...placed].sort() })
}

const good: TarEntry = { name: 'good', body: 'good' }
const goodZip: ZipEntry = { name: 'good', body: 'good' }

describe('what it unpacks', () => {
  const tree: TarEntry[] = [
    { name: './', type: '5', mode: 0o700 },
    { name: './bin/', type: '5', mode: 0o777, mtime: 1_100_000_000 },
    { name: './bin/app', body: 'program', mode: 0o700, mtime: 1_200_000_000 },
    { name: './deep/er/data', body: 'x'.repeat(1000), mode: 0o666 },
    { name: './deep/link', type: '2', link: '../bin/app' },
    { name: './deep/hard', type: '1', link: './bin/app' },
    { name: './naïve "name"\nwith \'all\'', body: '' },
  ]

  it.each<[Format, Buffer]>([
    ['tar', tar(tree)],
    ['tar.gz', gzipSync(tar(tree))],
    ['tar.zst', zstdCompressSync(tar(tree))],
  ])('%s: content, modes, times and links', async (format, bytes) => {
    expect(await unpackBytes(format, bytes)).toEqual({ entries: 7, bytes: 1007 })
    expect(await readFile(join(into, 'bin/app'), 'utf8')).toBe('program')
    const app = await stat(join(into, 'bin/app'))
    expect([app.mode & 0o7777, app.mtimeMs, app.nlink]).toEqual([0o755, 1_200_000_000_000, 2])
    const bin = await stat(join(into, 'bin'))
    expect([bin.mode & 0o7777, bin.mtimeMs]).toEqual([0o755, 1_100_000_000_000])
    expect((await stat(join(into, 'deep/er/data'))).mode & 0o7777).toBe(0o644)
    expect(await readlink(join(into, 'deep/link'))).toBe('../bin/app')
    expect((await lstat(join(into, 'naïve "name"\nwith \'all\''))).size).toBe(0)
  })

  it('zip: content, modes, links, descriptors', async () => {
    const bytes = zip([
      { name: 'bin/', mode: 0o040700 },
      { name: 'bin/app', body: 'program'.repeat(100), mode: 0o100700, deflate: true },
      { name: 'streamed', body: 'abc', deflate: true, descriptor: true },
      { name: 'link', body: 'bin/app', mode: 0o120777 },
      { name: 'naïve', body: '', mode: 0 },
    ])
    expect(await unpackBytes('zip', bytes)).toEqual({ entries: 5, bytes: 703 })
    expect((await stat(join(into, 'bin/app'))).mode & 0o7777).toBe(0o755)
    expect((await stat(join(into, 'naïve'))).mode & 0o7777).toBe(0o644)
    expect((await stat(join(into, 'streamed'))).mtime.toISOString()).toBe('1980-01-01T00:00:00.000Z')
    expect(await readFile(join(into, 'streamed'), 'utf8')).toBe('abc')
    expect(await readlink(join(into, 'link'))).toBe('bin/app')
  })

  it('long names, in the pax, GNU and ustar forms', async () => {
    const long = `${'ü'.repeat(100)}/${'n'.repeat(120)}`
    const bytes = tar([
      pax({ path: `pax/${long}`, mtime: '1234567890.5', comment: 'anything' }),
      { name: 'short', body: 'a' },
      { name: '././@LongLink', type: 'L', body: `gnu/${long}\0` },
      { name: 'short', body: 'b' },
      { name: 'n'.repeat(100), prefix: 'p'.repeat(155), body: 'c' },
      pax({ path: 'with\nnewline' }),
      { name: 'short', body: 'd' },
    ])
    await unpackBytes('tar', bytes)
    expect(await readFile(join(into, 'pax', long), 'utf8')).toBe('a')
    expect((await stat(join(into, 'pax', long))).mtimeMs).toBe(1_234_567_890_500)
    expect(await readFile(join(into, 'gnu', long), 'utf8')).toBe('b')
    expect(await readFile(join(into, 'p'.repeat(155), 'n'.repeat(100)), 'utf8')).toBe('c')
    expect(await readFile(join(into, 'with\nnewline'), 'utf8')).toBe('d')
  })

  it('links through links that stay in the tree, dangling ones, and a directory that is named after its content', async () => {
    const bytes = tar([
      { name: 'App/Versions/A/app', body: 'program' },
      { name: 'App/Versions/Current', type: '2', link: 'A' },
      { name: 'App/app', type: '2', link: 'Versions/Current/app' },
      { name: 'App/', type: '5' },
      { name: 'dangling', type: '2', link: 'App/nothing' },
    ])
    await unpackBytes('tar', bytes)
    expect(await readFile(join(into, 'App/app'), 'utf8')).toBe('program')
  })

  it('names that differ in case only', async () => {
    expect((await unpackBytes('tar', tar([good, { name: 'Good' }]))).entries).toBe(2)
  })

  it('what tar pads its archives with', async () => {
    await unpackBytes('tar', tar([good], Buffer.alloc(10_240)))
    expect((await traces()).inside).toEqual(['good'])
  })

  it('what is cut anywhere, as an error and never as less', async () => {
    const whole = tar([good, { name: 'more', body: 'x'.repeat(2000) }])
    for (const bytes of [whole, zip([goodZip, { name: 'more', body: 'abc'.repeat(100), deflate: true }])]) {
      const format = bytes === whole ? 'tar' : 'zip'
      for (let length = 0; length < bytes.length; length += 97) {
        await expect(unpackBytes(format, bytes.subarray(0, length))).rejects.toMatchObject({
          code: 'bad-archive',
        })
        await rm(into, { recursive: true })
        await mkdir(into)
      }
    }
  })

  it('survives being synced', async () => {
    await unpackBytes('tar', tar(tree))
    await syncTree(into)
    expect((await traces()).inside).toHaveLength(8)
  })

  it('stops when the caller is aborted', async () => {
    const abort = new AbortController()
    abort.abort()
    await expect(unpackBytes('tar', tar([good]), { signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
  })

  it('says when there is nothing to read, or nowhere to write', async () => {
    await expect(unpack(join(directory, 'gone'), 'tar', into)).rejects.toMatchObject({ code: 'cannot-read' })
    await expect(unpack(join(directory, 'gone'), 'zip', into)).rejects.toMatchObject({ code: 'cannot-read' })
    await writeFile(join(directory, 'archive.tar'), tar([good]))
    await expect(unpack(join(directory, 'archive.tar'), 'tar', join(directory, 'no'))).rejects.toMatchObject({
      code: 'cannot-write',
    })
  })
})

describe('what the archivers of this machine make', () => {
  const files =
    'mkdir -p tree/bin tree/empty && echo program >tree/bin/app && chmod 755 tree/bin/app && ln -s bin/app tree/link'

  it.for<[tool: string, format: Format, command: string]>([
    ['tar', 'tar', 'tar -cf archive.tar -C tree .'],
    ['tar', 'tar.gz', 'tar --format=pax -czf archive.tar.gz -C tree .'],
    ['tar', 'tar', 'tar --format=v7 -cf archive.tar -C tree bin empty link'],
    ['zstd', 'tar.zst', 'tar -cf - -C tree . | zstd -q >archive.tar.zst'],
    ['zip', 'zip', 'cd tree && zip -qry ../archive.zip .'],
    ['zip', 'zip', 'cd tree && zip -qry - . | cat >../archive.zip'],
  ])('%s, %s: %s', async ([tool, format, command], { skip }) => {
    skip(!has(tool), `needs ${tool}`)
    execFileSync('sh', ['-ec', `${files} && ${command}`], { cwd: directory })
    await unpack(join(directory, `archive.${format}`), format, into)
    expect((await readdir(into, { recursive: true })).sort()).toEqual(['bin', 'bin/app', 'empty', 'link'])
    expect(await readFile(join(into, 'link'), 'utf8')).toBe('program\n')
    expect((await stat(join(into, 'bin/app'))).mode & 0o777).toBe(0o755)
  })
})

describe('names that it refuses, in tar and zip, before anything of the entry is written', () => {
  it.each<[string, RegExp]>([
    ['../evil', /"\.\.\/evil" leaves the tree/],
    ['a/../../evil', /leaves the tree/],
    ['a/../evil', /leaves the tree/],
    ['..', /leaves the tree/],
    ['/tmp/evil', /absolute/],
    ['//evil', /absolute/],
    ['C:/evil', /drive/],
    ['c:evil', /drive/],
    ['a\\..\\evil', /backslash/],
    ['\\evil', /backslash/],
    ['.', /no name/],
    [`${'d/'.repeat(70)}evil`, /deeper than 64/],
    ['n'.repeat(256), /too long a name/],
    [`${`${'n'.repeat(200)}/`.repeat(12)}evil`, /too long a name/],
    ['bad\uFFFDname', /not UTF-8/],
  ])('%s', async (name, message) => {
    await expectRefusal('tar', tar([good, pax({ path: name }), { name: 'x', body: 'evil' }]), message, [
      'good',
    ])
    await rm(into, { recursive: true })
    await mkdir(into)
    await expectRefusal('zip', zip([goodZip, { name, body: 'evil' }]), message, ['good'])
  })

  it('a NUL byte', async () => {
    await expectRefusal('tar', tar([pax({ path: 'a\0b' }), { name: 'x' }]), /NUL/)
    await expectRefusal('tar', tar([{ name: 'L', type: 'L', body: 'a\0b\0' }, { name: 'x' }]), /NUL/)
    await expectRefusal('zip', zip([{ name: 'a\0b' }]), /NUL/)
  })

  it('bytes that are not UTF-8', async () => {
    const entry = tarEntry({ name: 'caf?' })
    entry[3] = 0xe9
    entry.write('ustar\u000000', 257)
    entry.fill(' ', 148, 156)
    entry.write(
      `${entry
        .subarray(0, 512)
        .reduce((a, b) => a + b, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    )
    await expectRefusal('tar', Buffer.concat([entry, Buffer.alloc(1024)]), /not UTF-8/)
  })

  it('a zip name that hides behind a unicode path', async () => {
    const path = Buffer.from('../evil')
    const extra = Buffer.alloc(9 + path.length)
    extra.writeUInt16LE(0x7075, 0)
    extra.writeUInt16LE(5 + path.length, 2)
    extra[4] = 1
    extra.writeUInt32LE(0xc9034af6, 5)
    path.copy(extra, 9)
    const { crc32 } = await import('node:zlib')
    extra.writeUInt32LE(crc32('fine'), 5)
    await expectRefusal('zip', zip([{ name: 'fine', extra }]), /leaves the tree/)
  })
})

describe('duplicates that it refuses', () => {
  it.each([
    ['a', 'a'],
    ['a', './a'],
    ['a/b', 'a//b'],
    ['a/', 'a'],
    ['a', 'a/'],
    ['d/', 'd/'],
    ['d/', './d/.'],
    ['a/b', 'a'],
  ])('%s and %s', async (first, second) => {
    const entry = (name: string): TarEntry => ({ name, type: /[/.]$/.test(name) ? '5' : '0' })
    await expect(unpackBytes('tar', tar([good, entry(first), entry(second)]))).rejects.toMatchObject({
      code: 'bad-archive',
      message: expect.stringMatching(/is there twice/) as string,
    })
    await rm(into, { recursive: true })
    await mkdir(into)
    const zipped = (name: string): ZipEntry => ({ name, mode: /[/.]$/.test(name) ? 0o040755 : 0o100644 })
    await expect(unpackBytes('zip', zip([goodZip, zipped(first), zipped(second)]))).rejects.toMatchObject({
      code: 'bad-archive',
    })
  })

  it('a file as a directory', async () => {
    await expectRefusal('tar', tar([good, { name: 'good/evil' }]), /lies in "good", which is a file/, [
      'good',
    ])
  })
})

describe('links that it refuses', () => {
  it.each<[string, TarEntry[], RegExp]>([
    ['out of the tree', [{ name: 'l', type: '2', link: '../evil' }], /leaves the tree/],
    ['out from below', [{ name: 'a/l', type: '2', link: '../../evil' }], /leaves the tree/],
    ['to an absolute path', [{ name: 'l', type: '2', link: '/etc/passwd' }], /absolute/],
    ['to nothing', [pax({ linkpath: '' }), { name: 'l', type: '2', link: '' }], /impossible target/],
    ['with a NUL', [pax({ linkpath: 'a\0b' }), { name: 'l', type: '2', link: 'x' }], /strange target/],
    ['with a backslash', [{ name: 'l', type: '2', link: '..\\evil' }], /strange target/],
    [
      'out through another link',
      [
        { name: 'a/b/up', type: '2', link: '../..' },
        { name: 'm', type: '2', link: 'a/b/up/..' },
      ],
      /"m" is a link that leaves the tree/,
    ],
    [
      'out through a link that comes later',
      [
        { name: 'm', type: '2', link: 'a/b/up/..' },
        { name: 'a/b/up', type: '2', link: '../..' },
      ],
      /"m" is a link that leaves the tree/,
    ],
    [
      'in circles',
      [
        { name: 'a', type: '2', link: 'b' },
        { name: 'b', type: '2', link: 'a' },
      ],
      /goes in circles/,
    ],
    ['with content', [{ name: 'l', type: '2', link: 'good', body: 'content' }], /symlink with content/],
  ])('%s', async (_, entries, message) => {
    await expectRefusal('tar', tar([good, ...entries]), message, [
      'good',
      // Directories of the links may stand there; no link does.
      ...(entries.some(({ name }) => name.startsWith('a/b')) ? ['a', 'a/b'] : []),
      ...(entries.some(({ name }) => name === 'a/l') ? ['a'] : []),
    ])
  })

  it('writing through a symbolic link', async () => {
    const entries: TarEntry[] = [good, { name: 'd', type: '2', link: '.' }, { name: 'd/evil', body: 'evil' }]
    await expectRefusal('tar', tar(entries), /"d\/evil" goes through the link "d"/, ['good'])
  })

  it('a symbolic link in place of a directory that was written into', async () => {
    const entries: TarEntry[] = [{ name: 'd/x' }, { name: 'd', type: '2', link: '.' }]
    await expectRefusal('tar', tar(entries), /is there twice/, ['d', 'd/x'])
  })

  it.each<[string, TarEntry[], RegExp]>([
    ['out of the tree', [{ name: 'h', type: '1', link: '../evil' }], /leaves the tree/],
    ['to an absolute path', [{ name: 'h', type: '1', link: '/etc/passwd' }], /absolute/],
    ['to what is not there', [{ name: 'h', type: '1', link: 'nothing' }], /no file that came before/],
    ['to itself', [{ name: 'h', type: '1', link: 'h' }], /no file that came before/],
    [
      'to a symbolic link',
      [
        { name: 'l', type: '2', link: 'good' },
        { name: 'h', type: '1', link: 'l' },
      ],
      /no file that came before/,
    ],
    [
      'to a directory',
      [
        { name: 'd/', type: '5' },
        { name: 'h', type: '1', link: 'd' },
      ],
      /no file that came before/,
    ],
  ])('a hard link %s', async (_, entries, message) => {
    await expectRefusal('tar', tar([good, ...entries]), message, [
      'good',
      ...(entries[0]?.type === '5' ? ['d'] : []),
    ])
  })

  it('a zip link out of the tree, and one that is too long', async () => {
    const link = (body: string): ZipEntry => ({ name: 'l', body, mode: 0o120777 })
    await expectRefusal('zip', zip([goodZip, link('../evil')]), /leaves the tree/, ['good'])
    await rm(into, { recursive: true })
    await mkdir(into)
    await expectRefusal('zip', zip([goodZip, link('x'.repeat(5000))]), /impossible target/, ['good'])
  })
})

describe('kinds and modes that it refuses', () => {
  it.each<[string, RegExp]>([
    ['3', /device/],
    ['4', /device/],
    ['6', /pipe/],
    ['S', /unknown kind/],
    ['D', /unknown kind/],
    ['V', /unknown kind/],
    ['?', /unknown kind/],
  ])('tar type %s', async (type, message) => {
    await expectRefusal('tar', tar([good, { name: 'x', type }]), message, ['good'])
  })

  it.each([0o4755, 0o2755, 0o1755])('mode %o', async (mode) => {
    await expectRefusal('tar', tar([{ name: 'x', mode }]), /setuid, setgid or sticky/)
    await expectRefusal('zip', zip([{ name: 'x', mode: 0o100000 | mode }]), /setuid, setgid or sticky/)
  })

  it.each<[number, RegExp]>([
    [0o020644, /device/],
    [0o060644, /device/],
    [0o010644, /pipe/],
    [0o140644, /socket/],
    [0o150644, /unknown kind/],
  ])('zip mode %o', async (mode, message) => {
    await expectRefusal('zip', zip([{ name: 'x', mode }]), message)
  })

  it('a zip directory with content, and a link that is named like a directory', async () => {
    await expectRefusal('zip', zip([{ name: 'd/', body: 'x' }]), /directory with content/)
    await expectRefusal('zip', zip([{ name: 'd/', body: 'x', mode: 0o120777 }]), /unknown kind/)
  })
})

describe('bombs and broken archives', () => {
  it('too many entries, too many bytes, before they are there', async () => {
    const many = Array.from({ length: 11 }, (_, index) => ({ name: `f${index}`, body: 'x' }))
    const limits = { entries: 10 }
    await expect(unpackBytes('tar', tar(many), { limits })).rejects.toThrow(/more than 10 entries/)
    await expect(unpackBytes('zip', zip(many), { limits })).rejects.toThrow(/more than 10 entries/)
    const large = { name: 'large', size: 8 ** 10 }
    await rm(into, { recursive: true })
    await mkdir(into)
    await expectRefusal('tar', tar([large]), /more than 100 bytes/, [], { limits: { bytes: 100 } })
  })

  it.each<[Format, (zeros: Buffer) => Buffer]>([
    ['tar.gz', (zeros) => gzipSync(tar([{ name: 'zeros', body: zeros }]))],
    ['tar.zst', (zeros) => zstdCompressSync(tar([{ name: 'zeros', body: zeros }]))],
    ['zip', (zeros) => zip([{ name: 'zeros', body: zeros, deflate: true }])],
  ])('%s: a ratio that no program has', async (format, make) => {
    const limits = { ratio: 100, ratioFrom: 2 ** 20 }
    const bytes = make(Buffer.alloc(2 ** 22))
    await expect(unpackBytes(format, bytes, { limits })).rejects.toMatchObject({
      code: 'bad-archive',
      message: expect.stringMatching(/more than 100 times its size/) as string,
    })
  })

  it('a zstd window that wants too much memory', async () => {
    const bytes = zstdCompressSync(tar([{ name: 'f', body: Buffer.alloc(2 ** 21, 'x') }]))
    await expectRefusal('tar.zst', bytes, /is damaged/, [], { limits: { windowLog: 10 } })
  })

  it.each<[Format, Buffer]>([
    ['tar', Buffer.alloc(0)],
    ['tar', Buffer.alloc(1024)],
    ['tar', tar([{ name: 'd/', type: '5' }])],
    ['tar.gz', Buffer.alloc(0)],
    ['tar.gz', gzipSync(Buffer.alloc(0))],
    ['tar.zst', zstdCompressSync(Buffer.alloc(1024))],
    ['zip', Buffer.alloc(0)],
    ['zip', zip([])],
    ['zip', zip([{ name: 'd/', mode: 0o040755 }])],
  ])('%s without a file', async (format, bytes) => {
    await expect(unpackBytes(format, bytes)).rejects.toMatchObject({ code: 'bad-archive' })
  })

  it.each<[Format, Buffer]>([
    ['tar', Buffer.from('#!/bin/sh\necho not an archive\n'.repeat(100))],
    ['tar.gz', Buffer.from('not an archive')],
    ['tar.zst', Buffer.from('not an archive')],
    ['zip', Buffer.from('not an archive')],
    ['tar', gzipSync(tar([good]))],
    ['tar.gz', tar([good])],
  ])('%s that is none', async (format, bytes) => {
    await expectRefusal(format, bytes, /archive\./)
  })

  it.each<[string, Format, Buffer, RegExp, string[]?]>([
    ['a wrong checksum', 'tar', tar([good, { name: 'x', badChecksum: true }]), /wrong checksum/],
    ['no end', 'tar', tar([good], Buffer.alloc(0)), /cut off/],
    ['half an end', 'tar', tar([good], Buffer.alloc(512)), /cut off/],
    [
      'something after the end',
      'tar',
      tar([good], Buffer.concat([Buffer.alloc(1024), tar([good])])),
      /after its end/,
    ],
    [
      'something in the end',
      'tar',
      tar([good], Buffer.concat([Buffer.alloc(512), tarEntry(good)])),
      /after its end/,
    ],
    [
      'something after gzip',
      'tar.gz',
      Buffer.concat([gzipSync(tar([good])), Buffer.from('more')]),
      /archive/,
    ],
    [
      'something after zstd',
      'tar.zst',
      Buffer.concat([zstdCompressSync(tar([good])), Buffer.from('more')]),
      /after/,
    ],
    ['half of gzip', 'tar.gz', gzipSync(tar([good])).subarray(0, -6), /damaged/],
    ['a header for nothing', 'tar', tar([good, pax({ path: 'x' })]), /ends after an extended header/],
    [
      'two names for one',
      'tar',
      tar([good, pax({ path: 'x' }), pax({ path: 'y' }), { name: 'z' }]),
      /names an entry twice/,
    ],
    [
      'a pax header that lies',
      'tar',
      tar([good, { name: 'p', type: 'x', body: '99 path=x\n' }, good]),
      /cannot be read/,
    ],
    ['a pax size that is none', 'tar', tar([good, pax({ size: '-1' }), { name: 'x' }]), /impossible size/],
    ['one path for all', 'tar', tar([pax({ path: 'x' }, 'g'), good]), /gives one path to all/, []],
    ['a sparse file', 'tar', tar([good, pax({ 'GNU.sparse.major': '1' }), { name: 'x' }]), /sparse/],
    [
      'a huge extended header',
      'tar',
      tar([good, { name: 'p', type: 'x', size: 2 ** 30 }]),
      /extended header of/,
    ],
  ])('tar with %s', async (_, format, bytes, message, placed = ['good']) => {
    const refusal = await unpackBytes(format, bytes).catch((error: unknown) => error as Error)
    expect(refusal).toMatchObject({ code: 'bad-archive', message: expect.stringMatching(message) as string })
    expect((await traces()).inside.filter((name) => !placed.includes(name))).toEqual([])
  })

  it.each<[string, Buffer, RegExp]>([
    ['trailing bytes', zip([goodZip], { after: Buffer.from('more') }), /damaged/],
    ['leading bytes', zip([goodZip], { before: Buffer.from('#!/bin/sh\n') }), /directory does not tell/],
    ['bytes before the directory', zip([goodZip], { between: Buffer.from('more') }), /does not tell/],
    ['a file that is not in the directory', zip([goodZip, { name: 'x', hidden: true }]), /does not tell/],
    ['an entry that is not counted', zip([goodZip, { name: 'x' }], { count: 1 }), /does not tell/],
    ['more counted than there', zip([goodZip], { count: 2 }), /damaged/],
    ['one body for two names', zip([goodZip, { ...goodZip, name: 'good', sameAs: 0 }]), /does not tell/],
    [
      'another name in the local header',
      zip([{ ...goodZip, local: { name: 'evil' } }]),
      /two different ways/,
    ],
    ['another size in the local header', zip([{ ...goodZip, local: { size: 3 } }]), /two different ways/],
    ['another checksum in the local header', zip([{ ...goodZip, local: { crc: 3 } }]), /two different ways/],
    ['another method in the local header', zip([{ ...goodZip, local: { method: 8 } }]), /two different ways/],
    [
      'another flag in the local header',
      zip([{ ...goodZip, local: { flags: 0x808 } }]),
      /two different ways/,
    ],
    ['another size in the descriptor', zip([{ ...goodZip, descriptor: { size: 3 } }]), /does not tell/],
    ['another checksum in the descriptor', zip([{ ...goodZip, descriptor: { crc: 3 } }]), /does not tell/],
    ['an encrypted file', zip([{ ...goodZip, deflate: true, flags: 0x801 }]), /encrypted/],
    ['an unknown method', zip([{ ...goodZip, method: 12 }]), /unknown method 12/],
    ['a stored size that is not its length', zip([{ ...goodZip, size: 3 }]), /damaged/],
  ])('zip with %s leaves nothing', async (_, bytes, message) => {
    await expectRefusal('zip', bytes, message)
  })

  it.each<[string, ZipEntry]>([
    ['a wrong checksum', { ...goodZip, crc: 7 }],
    ['a body that is longer than it says', { name: 'good', body: 'x'.repeat(1000), deflate: true, size: 10 }],
    ['a body that is shorter than it says', { name: 'good', body: 'x', deflate: true, size: 10 }],
  ])('zip with %s', async (_, entry) => {
    await expectRefusal('zip', zip([entry]), /"good" is damaged/, ['good'])
    expect((await stat(join(into, 'good'))).size).toBeLessThanOrEqual(10)
  })
})

describe('picking one file', () => {
  const entries: TarEntry[] = [
    { name: 'app-1.0/bin/app', body: 'program', mode: 0o644 },
    { name: 'app-1.0/README', body: 'one' },
    { name: 'app-1.0/doc/README', body: 'two' },
    { name: 'app-1.0/current', type: '2', link: 'bin/app' },
    { name: 'app-1.0/hard', type: '1', link: 'app-1.0/bin/app' },
  ]

  it.each([
    ['app', 'app'],
    ['app-1.0/bin/app', 'app'],
    ['./app-1.0//bin/app', 'app'],
    ['app-1.0/current', 'current'],
    ['hard', 'hard'],
  ])('%s places it alone, executable', async (pick, name) => {
    const unpacked = await unpackBytes('tar.gz', gzipSync(tar(entries)), { pick })
    expect(unpacked).toEqual({ entries: 5, bytes: 13, picked: join(into, name) })
    expect(await readFile(join(into, name), 'utf8')).toBe('program')
    expect((await lstat(join(into, name))).mode & 0o7777).toBe(0o755)
    expect((await traces()).inside).toEqual([name])
  })

  it('from a zip', async () => {
    await unpackBytes('zip', zip([goodZip, { name: 'bin/app', body: 'program' }]), { pick: 'app' })
    expect((await traces()).inside).toEqual(['app'])
  })

  it.each([
    ['nothing', /holds no file "nothing"/, /--pick: "app-1.0\/bin\/app", "app-1.0\/README"/],
    ['app-1.0/bin', /holds no file/, /--pick/],
    ['../app', /holds no file/, /--pick/],
    ['README', /holds 2 files named "README"/, /: "app-1.0\/README", "app-1.0\/doc\/README"$/],
  ])('%s: the names that there are', async (pick, message, hint) => {
    await expect(unpackBytes('tar', tar(entries), { pick })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(message) as string,
      hint: expect.stringMatching(hint) as string,
    })
    expect((await traces()).inside).toEqual([])
  })

  it('refuses the whole archive for what comes after the picked file, with nothing written', async () => {
    const bytes = tar([...entries, { name: '../evil', body: 'evil' }])
    await expectRefusal('tar', bytes, /leaves the tree/, [], { pick: 'app' })
  })
})

describe('looking only', () => {
  it('names the files and writes nothing', async () => {
    const file = join(directory, 'archive.tar')
    await writeFile(file, tar([good, { name: 'd/', type: '5' }, { name: 'd/x' }]))
    expect(await inspect(file, 'tar')).toEqual(['good', 'd/x'])
    expect((await traces()).inside).toEqual([])
  })

  it('finds what is broken', async () => {
    const file = join(directory, 'archive.zip')
    await writeFile(file, zip([{ ...goodZip, crc: 7 }]))
    await expect(inspect(file, 'zip')).rejects.toMatchObject({ code: 'bad-archive' })
  })
})
