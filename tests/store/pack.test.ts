import { execFile, execFileSync } from 'node:child_process'
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { unprivileged } from '../unprivileged.ts'
import { digestOf } from '../../src/package/digest.ts'
import type { Format } from '../../src/package/filename.ts'
import { host } from '../../src/package/platform.ts'
import { parseItem } from '../../src/package/record.ts'
import { unpack } from '../../src/store/archive/archive.ts'
import { packPackage, type PackOptions } from '../../src/store/pack.ts'
import { zip } from './forge.ts'

const archives: Format[] = ['tar', 'tar.gz', 'tar.zst', 'zip']
let directory: string
let into: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gupper-pack-'))
  into = join(directory, 'packages')
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

const pack = (input: string, options: Partial<PackOptions> = {}) =>
  packPackage(input, { name: 'app', version: '1.9', os: 'linux', arch: 'amd64', into, ...options })

function has(tool: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`])
    return true
  } catch {
    return false
  }
}

/** A tree with everything that may be packed; `seed` changes what must not matter. */
async function makeTree(name: string, seed = 0): Promise<string> {
  const root = join(directory, name)
  const long = `${'long'.repeat(20)}/${'ü'.repeat(60)}`
  const files: [string, string][] = [
    ['bin/app', '#!/bin/sh\necho app 1.9.0\n'],
    ['lib/data', 'x'.repeat(300_000)],
    ['lib-x', ''],
    ['a "strange"\nnäme with \'all\'', 'strange'],
    [`${long}/file`, 'deep'],
  ]
  for (const [path, content] of seed === 0 ? files : files.toReversed()) {
    await mkdir(join(root, path, '..'), { recursive: true })
    await writeFile(join(root, path), content)
    await chmod(
      join(root, path),
      path === 'bin/app' ? (seed === 0 ? 0o755 : 0o711) : seed === 0 ? 0o644 : 0o600,
    )
    await utimes(join(root, path), 1_000_000 + seed, 2_000_000 + seed)
  }
  await mkdir(join(root, 'empty'), { mode: seed === 0 ? 0o755 : 0o2700 })
  await symlink('../bin/app', join(root, 'lib/link'))
  await symlink(`${long}/file`, join(root, 'link'))
  return root
}

/** Path → content or link target, with the x bit. */
async function contents(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const path of (await readdir(root, { recursive: true })).sort()) {
    const entry = await lstat(join(root, path))
    if (entry.isSymbolicLink()) {
      const { readlink } = await import('node:fs/promises')
      found[path] = `-> ${await readlink(join(root, path))}`
    } else if (entry.isDirectory()) found[path] = '/'
    else found[path] = `${entry.mode & 0o100 ? 'x' : '-'} ${await readFile(join(root, path), 'utf8')}`
  }
  return found
}

describe('the record', () => {
  it('tells everything of the package, and is valid', async () => {
    const root = await makeTree('tree')
    const record = await pack(root, { channel: 'beta' })
    const path = join(into, 'app-1.9.0-linux-amd64.tar.gz')
    const bytes = await readFile(path)
    expect(record).toEqual({
      schema: 1,
      name: 'app',
      version: '1.9.0',
      os: 'linux',
      arch: 'amd64',
      file: 'app-1.9.0-linux-amd64.tar.gz',
      url: pathToFileURL(path).href,
      source: pathToFileURL(into).href,
      size: bytes.length,
      digest: digestOf(bytes),
      published: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
      channel: 'beta',
      path,
    })
    expect(parseItem(JSON.parse(JSON.stringify(record)))).toEqual(record)
    expect(await readdir(into)).toEqual([record.file])
    expect((await stat(path)).mode & 0o777).toBe(0o644)
  })

  it('takes platforms in anyone’s words, and this machine when none is given', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'program')
    expect((await pack(program, { os: 'macOS', arch: 'aarch64' })).file).toBe('app-1.9.0-darwin-arm64')
    expect((await pack(program, { os: 'win32', arch: 'x64' })).file).toBe('app-1.9.0-windows-amd64.exe')
    expect((await pack(program, { os: undefined, arch: undefined })).file).toBe(
      `app-1.9.0-${host.os}-${host.arch}`,
    )
  })
})

describe('raw packages', () => {
  it('are the file itself, executable', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'program', { mode: 0o600 })
    const { path = '', digest } = await pack(program)
    expect(digest).toBe(digestOf('program'))
    expect((await stat(path)).mode & 0o7777).toBe(0o755)
  })

  it('follow a link to the program', async () => {
    await writeFile(join(directory, 'program'), 'program')
    await symlink('program', join(directory, 'link'))
    expect((await pack(join(directory, 'link'))).digest).toBe(digestOf('program'))
  })
})

describe.each(archives)('a directory as %s', (format) => {
  it('unpacks to the same tree', async () => {
    const root = await makeTree('tree')
    const { path = '', file } = await pack(root, { format })
    expect(file).toBe(`app-1.9.0-linux-amd64.${format}`)
    await mkdir(join(directory, 'out'))
    await unpack(path, format, join(directory, 'out'))
    expect(await contents(join(directory, 'out'))).toEqual(await contents(root))
  })

  it('unpacks with the system’s tools', async ({ skip }) => {
    for (const tool of format === 'zip' ? ['unzip'] : format === 'tar.zst' ? ['tar', 'zstd'] : ['tar'])
      skip(!has(tool), `needs ${tool}`)
    const root = await makeTree('tree')
    const { path = '' } = await pack(root, { format })
    const out = join(directory, 'out')
    await mkdir(out)
    if (format === 'zip')
      execFileSync('unzip', ['-q', path, '-d', out], { env: { ...process.env, LC_ALL: 'C.UTF-8' } })
    else execFileSync('tar', ['-xf', path, '-C', out])
    // unzip leaves line breaks in names out.
    const expected = Object.entries(await contents(root)).map(([name, value]) => [
      format === 'zip' ? name.replaceAll('\n', '') : name,
      value,
    ])
    expect(await contents(out)).toEqual(Object.fromEntries(expected))
  })

  it('has the same bytes whatever the order on disk, times, other mode bits, time zone and locale', async () => {
    const [one, two] = [await makeTree('one'), await makeTree('two', 1)]
    const first = await pack(one, { format })
    const script = `
      const { packPackage } = await import(${JSON.stringify(new URL('../../src/store/pack.ts', import.meta.url).href)})
      const options = { name: 'app', version: '1.9', os: 'linux', arch: 'amd64', format: process.argv[2], into: process.argv[3] }
      console.log((await packPackage(process.argv[1], options)).digest)`
    for (const [zone, locale] of [
      ['America/New_York', 'C'],
      ['Pacific/Kiritimati', 'tr_TR.UTF-8'],
    ]) {
      const run = promisify(execFile)(
        process.execPath,
        ['--input-type=module', '-e', script, two, format, `${into}-${zone?.slice(0, 3)}`],
        {
          env: { ...process.env, TZ: zone, LC_ALL: locale },
        },
      )
      expect((await run).stdout.trim()).toBe(first.digest)
    }
  })

  it('gives everything the time that it is told', async () => {
    const root = await makeTree('tree')
    const first = await pack(root, { format })
    const later = await pack(root, { format, into: `${into}-2`, epoch: 1_700_000_000 })
    expect(later.digest).not.toBe(first.digest)
    await mkdir(join(directory, 'out'))
    await unpack(later.path ?? '', format, join(directory, 'out'))
    expect((await stat(join(directory, 'out/bin/app'))).mtimeMs).toBe(1_700_000_000_000)
  })
})

it('says nothing of the machine in the header of gzip', async () => {
  const { path = '' } = await pack(await makeTree('tree'))
  expect((await readFile(path)).subarray(0, 10).toString('hex')).toBe('1f8b08000000000000ff')
})

describe('a file', () => {
  it('is packed under its name when an archive is asked for', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'program', { mode: 0o755 })
    const { path = '' } = await pack(program, { format: 'tar.zst' })
    await mkdir(join(directory, 'out'))
    await unpack(path, 'tar.zst', join(directory, 'out'))
    expect(await contents(join(directory, 'out'))).toEqual({ program: 'x program' })
  })

  it('that is an archive already is taken as it is, when it unpacks', async () => {
    const archive = join(directory, 'release.zip')
    await writeFile(archive, zip([{ name: 'app', body: 'program' }]))
    const record = await pack(archive)
    expect(record.file).toBe('app-1.9.0-linux-amd64.zip')
    expect(record.digest).toBe(digestOf(await readFile(archive)))
    await writeFile(archive, zip([{ name: '../app', body: 'program' }]))
    await expect(pack(archive, { version: '2' })).rejects.toMatchObject({ code: 'bad-archive' })
    expect(await readdir(into)).toEqual([record.file])
  })
})

describe('what is there already', () => {
  it('is left alone when it has the same bytes', async () => {
    const root = await makeTree('tree')
    const first = await pack(root)
    await utimes(first.path ?? '', 1_000_000_000, 1_000_000_000)
    const before = await stat(first.path ?? '', { bigint: true })
    const second = await pack(root)
    const after = await stat(first.path ?? '', { bigint: true })
    expect([after.ino, after.mtimeNs, after.ctimeNs]).toEqual([before.ino, before.mtimeNs, before.ctimeNs])
    expect(second).toEqual({ ...first, published: '2001-09-09T01:46:40Z' })
    expect(await readdir(into)).toEqual([first.file])
  })

  it('is not replaced by other bytes, unless forced', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'one')
    const { path = '', file } = await pack(program)
    await writeFile(program, 'two')
    await expect(pack(program)).rejects.toMatchObject({
      code: 'usage',
      message: `${path} is there already, with other bytes`,
      hint: expect.stringContaining('--force') as string,
    })
    expect(await readFile(path, 'utf8')).toBe('one')
    await pack(program, { force: true })
    expect(await readFile(path, 'utf8')).toBe('two')
    expect(await readdir(into)).toEqual([file])
  })

  it('is a directory: an error, also when forced', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'one')
    await mkdir(join(into, 'app-1.9.0-linux-amd64'), { recursive: true })
    await expect(pack(program, { force: true })).rejects.toMatchObject({ code: 'cannot-write' })
  })

  it('does not mind many packers at once', async () => {
    const root = await makeTree('tree')
    const records = await Promise.all(Array.from({ length: 8 }, () => pack(root)))
    expect(new Set(records.map(({ digest }) => digest)).size).toBe(1)
    expect(await readdir(into)).toEqual([records[0]?.file])
  })

  it('leftovers of a packer that was killed go; those of one that lives, and files of others, stay', async () => {
    const program = join(directory, 'program')
    await writeFile(program, 'one')
    const { temporaryName } = await import('../../src/store/pack-leftovers.ts')
    const alive = temporaryName()
    const dead = alive.replace(/\.\d+\.\d+\.(\w+)$/, '.4194304.1.$1')
    const reborn = alive.replace(/\.\d+\.(\w+)$/, '.1.$1')
    const foreign = alive.replace(/pack\.\w+/, 'pack.00000000')
    const old = foreign.replace(/\w$/, (digit) => (digit === '0' ? '1' : '0'))
    await mkdir(into)
    for (const name of [alive, dead, reborn, foreign, old, '.gupper-pack.mine', '.hidden'])
      await writeFile(join(into, name), '')
    await utimes(join(into, old), 1, 1)
    const { file } = await pack(program)
    const kept = [alive, foreign, '.gupper-pack.mine', '.hidden', file]
    // Without /proc a process that was born again under the same number cannot be told.
    if (process.platform !== 'linux') kept.push(reborn)
    expect((await readdir(into)).sort()).toEqual(kept.sort())
  })
})

describe('what it refuses, leaving nothing', () => {
  const refusal = async (input: string, options: Partial<PackOptions>, expected: object): Promise<void> => {
    await expect(pack(input, options)).rejects.toMatchObject(expected)
    expect(await readdir(into).catch(() => [])).toEqual([])
  }

  it.each<[Partial<PackOptions>, RegExp]>([
    [{ version: 'new' }, /"new" is no version/],
    [{ version: '' }, /"" is no version/],
    [{ os: 'beos' }, /"beos" is no operating system/],
    [{ arch: 'z80' }, /"z80" is no processor/],
    [{ name: '' }, /"" is no name/],
    [{ name: '../evil' }, /is no name/],
    [{ name: '.hidden' }, /is no name/],
    [{ name: 'a\nb' }, /is no name/],
    [{ name: 'n'.repeat(250) }, /is no name/],
    [{ name: 'app-1.0.0' }, /is no name/],
  ])('%j', async (options, message) => {
    await writeFile(join(directory, 'program'), 'program')
    await refusal(join(directory, 'program'), options, {
      code: 'usage',
      message: expect.stringMatching(message) as string,
    })
  })

  it('a directory as raw, nothing, an empty file, an empty directory, a pipe', async () => {
    const root = await makeTree('tree')
    await refusal(root, { format: 'raw' }, { code: 'usage' })
    await refusal(join(directory, 'gone'), {}, { code: 'cannot-read' })
    await writeFile(join(directory, 'empty'), '')
    await refusal(join(directory, 'empty'), {}, { code: 'bad-package' })
    await mkdir(join(directory, 'nothing'))
    await refusal(join(directory, 'nothing'), {}, { code: 'bad-package' })
    execFileSync('mkfifo', [join(directory, 'pipe')])
    await refusal(join(directory, 'pipe'), {}, { code: 'bad-package' })
  })

  it.each<[string, (root: string) => Promise<unknown>, RegExp]>([
    [
      'a link out of the tree',
      (root) => symlink('../..', join(root, 'out')),
      /"out" is a link that leaves the tree/,
    ],
    ['an absolute link', (root) => symlink('/etc/passwd', join(root, 'out')), /absolute/],
    ['a link in circles', (root) => symlink('loop', join(root, 'loop')), /circles/],
    ['a name with a backslash', (root) => writeFile(join(root, 'a\\b'), ''), /backslash/],
    ['a name like a drive', (root) => writeFile(join(root, 'c:x'), ''), /drive/],
    [
      'a pipe',
      (root) => promisify(execFile)('mkfifo', [join(root, 'pipe')]),
      /no file, directory or symbolic link/,
    ],
    [
      'a name that is not UTF-8',
      (root) => writeFile(Buffer.concat([Buffer.from(`${root}/caf`), Buffer.from([0xe9])]), ''),
      /its name is not UTF-8/,
    ],
  ])('%s', async (_, add, message) => {
    const root = await makeTree('tree')
    await add(root)
    for (const format of archives)
      await expect(pack(root, { format })).rejects.toMatchObject({
        code: 'bad-package',
        message: expect.stringMatching(message) as string,
      })
    expect(await readdir(into)).toEqual([])
  })

  it('to pack into what is packed', async () => {
    const root = await makeTree('tree')
    await expect(pack(root, { into: join(root, 'packages') })).rejects.toMatchObject({ code: 'usage' })
    await expect(pack(root, { into: root })).rejects.toMatchObject({ code: 'usage' })
  })

  it('what may not be read', async () => {
    const root = await makeTree('tree')
    await chmod(join(root, 'lib/data'), 0)
    await unprivileged(directory, async () => {
      for (const format of archives) await refusal(root, { format }, { code: 'cannot-read' })
    })
  })

  it('when the caller is aborted', async () => {
    const root = await makeTree('tree')
    await refusal(root, { signal: AbortSignal.abort() }, { name: 'AbortError' })
  })

  it('a file that grows or goes while it is packed', async () => {
    const { makeArchive } = await import('../../src/store/archive/make.ts')
    const source = join(directory, 'file')
    await copyFile('/bin/sh', source)
    for (const [size, path, code] of [
      [10, source, 'bad-package'],
      [2 ** 30, source, 'bad-package'],
      [10, `${source}-gone`, 'cannot-read'],
    ] as const)
      for (const format of ['tar', 'tar.gz', 'tar.zst', 'zip'] as const) {
        const bytes = makeArchive(
          [{ path: 'f', source: path, size, kind: 'file', executable: false }],
          format,
          0,
        )
        await expect(Array.fromAsync(bytes)).rejects.toMatchObject({ code })
      }
  })
})
