import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import { from } from '../../src/package/flow.ts'
import { silent } from '../../src/package/observer.ts'
import { isFailure, type Item, type PackageRecord } from '../../src/package/record.ts'
import { fetchPackages } from '../../src/sources/fetch.ts'
import { list } from '../../src/sources/list.ts'
import { openTransport } from '../../src/sources/transport/transport.ts'
import { blobPath } from '../../src/store/cache.ts'
import { pax, tar, type TarEntry } from '../store/forge.ts'
import { bytes, digest, file, makeDir, makeRepository, makeTar, target } from './folder.ts'

async function listAll(address: string, warned: string[] = []): Promise<Item[]> {
  const observer = { ...silent, warn: (text: string) => warned.push(text) }
  return Array.fromAsync(list([address], { cwd: '/', env: {}, filter: { all: true }, observer }))
}

async function listOne(address: string): Promise<PackageRecord> {
  const [item, more] = await listAll(address)
  if (item === undefined || more !== undefined || isFailure(item)) throw new Error(JSON.stringify(item))
  return item
}

async function fetchOne(record: PackageRecord, cacheDir: string): Promise<Item | undefined> {
  return (await Array.fromAsync(fetchPackages(from([record]), { cacheDir })))[0]
}

const forms: [string, string[]][] = [
  ['x.tar', ['-C', '.', 'repo']],
  ['x.tar', ['-C', 'repo', '.']],
  ['x.tar', ['-C', 'repo', 'metadata', 'targets']],
  ['x.tar', ['-C', 'repo', 'targets', 'metadata', file]],
  ['x.tar', ['--format=posix', '-C', '.', 'repo']],
  ['x.tar', ['--hard-dereference', '-C', 'repo', '.']],
  ['x.tar.gz', ['-z', '-C', '.', 'repo']],
  ['x.tgz', ['-z', '-C', 'repo', 'metadata', 'targets']],
]

describe('a tar of a repository', () => {
  test.each(forms)('%s %j: its packages are listed and fetched', async (name, options) => {
    const dir = await makeDir()
    await makeRepository(dir)
    const [flag, ...rest] = options
    const at = options.indexOf('-C')
    const changed = flag === undefined ? rest : options.with(at + 1, join(dir, options[at + 1] ?? ''))
    const path = makeTar(join(dir, name), ...changed)
    const record = await listOne(path)
    expect(record).toMatchObject({ name: 'app', version: '1.0.0', file, digest, size: bytes.length })
    expect(record.source).toBe(pathToFileURL(path).href)
    expect(record.url).toMatch(/^file:\/\/\/.*#(targets\/[0-9a-f]{64}\.)?app-1\.0\.0-any-any$/)
    const cache = join(dir, 'cache')
    // Both names lead to the bytes, whichever of them tar wrote as a link to the other.
    for (const url of [record.url, `${pathToFileURL(path).href}#targets/${target}`]) {
      const fetched = await fetchOne({ ...record, url: url ?? '' }, cache)
      expect(fetched).toMatchObject({ path: blobPath(cache, digest), proofs: [{ by: 'digest' }] })
      expect(await readFile(blobPath(cache, digest))).toEqual(bytes)
    }
  })

  test('what its record does not say, or says wrongly, is not taken', async () => {
    const dir = await makeDir()
    const path = makeTar(join(dir, 'x.tar'), '-C', await makeRepository(dir), '.')
    const record = await listOne(path)
    const cache = join(dir, 'cache')
    const codes = async (change: Partial<PackageRecord>): Promise<unknown> => {
      const item = await fetchOne({ ...record, ...change }, cache)
      return item && isFailure(item) ? [item.error.code, item.error.exit] : item
    }
    expect(await codes({ digest: digestOf('other') })).toEqual(['wrong-digest', 65])
    expect(await codes({ size: 5 })).toEqual(['wrong-size', 65])
    expect(await codes({ url: `${record.source ?? ''}#nothing` })).toEqual(['not-found', 69])
    expect(await codes({ url: `${record.source ?? ''}#%zz` })).toEqual(['bad-record', 65])
    expect(await codes({ url: `${pathToFileURL(dir).href}/missing.tar#x` })).toEqual(['cannot-read', 69])
  })

  test('a tar that is replaced is read anew', async () => {
    const dir = await makeDir()
    const path = join(dir, 'x.tar')
    await writeFile(path, tar([{ name: 'metadata/timestamp.json', body: 'one' }]))
    const transport = await openTransport(path, { cwd: dir, env: {} })
    expect(String(await transport.readMetadata('timestamp.json', 10))).toBe('one')
    await writeFile(`${path}.new`, tar([{ name: 'metadata/timestamp.json', body: 'two' }]))
    await rename(`${path}.new`, path)
    expect(String(await transport.readMetadata('timestamp.json', 10))).toBe('two')
  })

  test('of two files of one name the last one counts, and people are told', async () => {
    const dir = await makeDir()
    const path = join(dir, 'x.tar')
    await writeFile(
      path,
      tar([
        { name: file, body: 'one' },
        { name: `./${file}`, body: 'two' },
      ]),
    )
    const warned: string[] = []
    const [record] = await listAll(path, warned)
    expect(record).toMatchObject({ digest: digestOf('two') })
    expect(warned).toEqual([expect.stringMatching(/1 names stand in it twice/)])
  })

  test('a package that is a tar itself is not taken for a place of packages', async () => {
    const dir = await makeDir()
    const path = join(dir, 'app-1.0.0-any-any.tar')
    await writeFile(path, tar([{ name: 'app', body: 'x' }]))
    expect(await listAll(path)).toMatchObject([{ error: { code: 'usage', exit: 64 } }])
  })
})

const good: TarEntry = { name: file, body: 'x' }
const hostile: [string, Buffer, RegExp][] = [
  ['a name with ..', tar([good, { name: '../evil' }]), /"\.\.\/evil", which leads out of it/],
  ['a name with .. inside', tar([good, { name: 'a/../../evil' }]), /leads out of it/],
  ['an absolute name', tar([good, { name: '/etc/passwd' }]), /leads out of it/],
  ['a name with NUL', tar([good, pax({ path: 'a\0b' }), { name: 'x' }]), /leads out of it/],
  ['a long name', tar([good, pax({ path: 'x/'.repeat(2000) }), { name: 'x' }]), /path of more than 2048/],
  ['a link out of it', tar([good, { name: 'x', type: '1', link: '../x' }]), /leads out of it/],
  ['a link to nothing', tar([good, { name: 'x', type: '1', link: 'y' }]), /does not stand in front of it/],
  ['a huge size', tar([good, { name: 'x', size: 0o77777777777 }]), /is cut off/],
  ['a size beyond numbers', tar([good, pax({ size: '9'.repeat(20) }), { name: 'x' }]), /impossible size/],
  ['a wrong checksum', tar([good, { name: 'x', badChecksum: true }]), /wrong checksum/],
  ['no end', tar([good], Buffer.alloc(0)), /is cut off/],
  ['an end in the middle', tar([{ name: file, body: 'x'.repeat(2000) }]).subarray(0, 1200), /is cut off/],
  ['something else', Buffer.alloc(4096, 'x'), /is not a tar archive/],
  ['nothing', Buffer.alloc(0), /is cut off/],
  ['something behind its end', Buffer.concat([tar([good]), Buffer.alloc(512, 'x')]), /after its end/],
]

describe('a tar that is broken or hostile is refused', () => {
  test.each(hostile)('%s', async (_what, content, message) => {
    const path = join(await makeDir(), 'x.tar')
    await writeFile(path, content)
    const [failure] = await listAll(path)
    expect(failure).toMatchObject({ error: { step: 'list', code: 'bad-archive', exit: 65 } })
    if (failure && isFailure(failure)) expect(failure.error.message).toMatch(message)
    const transport = await openTransport(path, { cwd: '/', env: {} })
    await expect(transport.readMetadata('timestamp.json', 10)).rejects.toMatchObject({ code: 'bad-archive' })
  })

  test('cut off in its packing', async () => {
    const dir = await makeDir()
    const path = makeTar(join(dir, 'x.tgz'), '-z', '-C', await makeRepository(dir), '.')
    await writeFile(path, (await readFile(path)).subarray(0, 100_000))
    expect(await listAll(path)).toMatchObject([{ error: { code: 'bad-archive', exit: 65 } }])
  })
})
