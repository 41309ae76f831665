import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import {
  blobPath,
  findBlob,
  listCache,
  partialPath,
  pruneCache,
  verifyCache,
  withCacheLock,
} from '../../src/store/cache.ts'

let cacheDir: string
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'gupper-cache-'))
})
afterEach(() => rm(cacheDir, { recursive: true }))

/** Puts a package into the cache that was last used so many hours ago. */
async function put(bytes: Buffer, hours = 24): Promise<{ digest: string; path: string }> {
  const digest = digestOf(bytes)
  const path = blobPath(cacheDir, digest)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytes)
  const used = new Date(Date.now() - hours * 3_600_000)
  await utimes(path, used, used)
  return { digest, path }
}

async function putPartial(name: string): Promise<string> {
  const path = join(cacheDir, 'partial', name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, 'half')
  await writeFile(`${path}.json`, '{}')
  return path
}

const digests = async (items: AsyncIterable<object>): Promise<unknown[]> =>
  (await Array.fromAsync(items)).map((item) =>
    'digest' in item ? item.digest : 'error' in item ? 'error' : 'partial',
  )

test('a cache that is not there is empty', async () => {
  expect(await digests(listCache(join(cacheDir, 'none')))).toEqual([])
  expect(await digests(verifyCache(join(cacheDir, 'none')))).toEqual([])
  expect(await digests(pruneCache(join(cacheDir, 'none'), { maxSize: 0 }))).toEqual([])
})

test('lists packages with size, path and time of last use, and what was not finished', async () => {
  const { digest, path } = await put(Buffer.from('one'))
  const partial = await putPartial('url-abc')
  await writeFile(join(dirname(path), 'not-a-digest'), '')
  const entries = await Array.fromAsync(listCache(cacheDir))
  expect(entries).toMatchObject([
    { digest, size: 3, path },
    { size: 4, path: partial },
  ])
  expect(Date.parse(entries[0]?.used ?? '')).toBeLessThan(Date.now() - 3_600_000)
})

test('a hit counts as a use; a damaged one is removed and none', async () => {
  const { digest, path } = await put(Buffer.from('one'))
  expect(await findBlob(cacheDir, digest)).toEqual({ path, size: 3 })
  const [entry] = await Array.fromAsync(listCache(cacheDir))
  expect(Date.parse(entry?.used ?? '')).toBeGreaterThan(Date.now() - 3_600_000)
  await writeFile(path, 'two')
  expect(await findBlob(cacheDir, digest)).toBeUndefined()
  expect(await digests(listCache(cacheDir))).toEqual([])
})

test('verify hashes everything, small and large; what is damaged is removed and a failure, 65', async () => {
  const whole = await put(randomBytes(9 * 2 ** 20))
  const damaged = await put(Buffer.from('two'))
  await writeFile(damaged.path, 'TWO')
  const items = await Array.fromAsync(verifyCache(cacheDir))
  expect(items).toHaveLength(2)
  expect(items).toContainEqual(expect.objectContaining({ digest: whole.digest }))
  const record = expect.objectContaining({ digest: damaged.digest, removed: true }) as object
  expect(items).toContainEqual({
    error: expect.objectContaining({ code: 'damaged', exit: 65, record }) as object,
  })
  expect(await digests(verifyCache(cacheDir))).toEqual([whole.digest])
})

test('prune removes the least recently used until the rest is small enough', async () => {
  const oldest = await put(Buffer.alloc(100, 1), 30)
  const newest = await put(Buffer.alloc(100, 2), 10)
  const middle = await put(Buffer.alloc(100, 3), 20)
  expect(await digests(pruneCache(cacheDir, { maxSize: 300 }))).toEqual([])
  expect(await digests(pruneCache(cacheDir, { maxSize: 150 }))).toEqual([oldest.digest, middle.digest])
  expect(await digests(listCache(cacheDir))).toEqual([newest.digest])
})

test('prune removes what was not used for long, and nothing when not told to', async () => {
  const old = await put(Buffer.from('old'), 50)
  await put(Buffer.from('new'), 10)
  expect(await digests(pruneCache(cacheDir, {}))).toEqual([])
  expect(await digests(pruneCache(cacheDir, { olderThan: 40 * 3_600_000 }))).toEqual([old.digest])
})

test('prune removes what was used in a future that the clock was set back from', async () => {
  const ahead = await put(Buffer.from('ahead'), -1000)
  expect(await digests(pruneCache(cacheDir, { olderThan: 40 * 3_600_000 }))).toEqual([ahead.digest])
})

test('prune leaves what was used a moment ago: the next step of a pipe may be about to open it', async () => {
  await put(Buffer.from('now'), 0)
  expect(await digests(pruneCache(cacheDir, { maxSize: 0, olderThan: 0 }))).toEqual([])
})

test('prune removes unfinished downloads with all that belongs to them, but none that is going on', async () => {
  await putPartial('url-abc')
  const busy = await putPartial('url-busy')
  await withCacheLock(cacheDir, busy, { what: 'it' }, async () => {
    expect(await digests(pruneCache(cacheDir, {}))).toEqual(['partial'])
    expect(await readdir(join(cacheDir, 'partial'))).toEqual(['url-busy', 'url-busy.json'])
  })
  expect(await digests(pruneCache(cacheDir, {}))).toEqual(['partial'])
  expect(await readdir(join(cacheDir, 'partial'))).toEqual([])
})

test('prune leaves a package whose download somebody is just finishing', async () => {
  const { digest } = await put(Buffer.from('busy'))
  await withCacheLock(cacheDir, partialPath(cacheDir, digest, ''), { what: 'it' }, async () => {
    expect(await digests(pruneCache(cacheDir, { maxSize: 0 }))).toEqual([])
  })
})

test('lock files do not grow without end', async () => {
  for (let n = 0; n < 600; n++)
    await withCacheLock(cacheDir, `path ${n}`, { what: 'it' }, () => Promise.resolve())
  expect((await readdir(join(cacheDir, 'locks'))).length).toBeLessThanOrEqual(256)
})

test('what is not a digest has no place in the cache', () => {
  expect(() => blobPath(cacheDir, 'sha256:../../etc/passwd')).toThrow(/not a digest/)
})
