import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Limits } from '../../src/net/client.ts'
import { digestOf } from '../../src/package/digest.ts'
import { from } from '../../src/package/flow.ts'
import { silent, type Progress } from '../../src/package/observer.ts'
import { isFailure, type Failure, type Item, type PackageRecord } from '../../src/package/record.ts'
import { fetchPackages, type FetchOptions } from '../../src/sources/fetch.ts'
import { blobPath } from '../../src/store/cache.ts'
import { startHostileServer, type HostileServer, type Sin } from '../hostile-server.ts'

// A busy disk takes its time to sync.
vi.setConfig({ testTimeout: 60_000 })

const file = 'app-1.0.0-any-any'
const bytes = randomBytes(300_000)
// Short where a test waits for them, long where only a busy machine could reach them.
const limits: Partial<Limits> = {
  firstByte: 20_000,
  idle: 20_000,
  rate: 500,
  rateWindow: 400,
  tries: 4,
  backoff: 1,
  maxBackoff: 10,
}
let dir: string
let cacheDir: string
let into: string
const servers: HostileServer[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper-fetch-'))
  cacheDir = join(dir, 'cache')
  into = join(dir, 'into')
})
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
  await rm(dir, { recursive: true })
})

async function start(sin: Sin, files: Record<string, Buffer> = { [file]: bytes }): Promise<HostileServer> {
  const server = await startHostileServer(sin, { files, pace: 10 })
  servers.push(server)
  return server
}

async function fetchAll(records: Item[], options: Partial<FetchOptions> = {}): Promise<Item[]> {
  const items = fetchPackages(from(records), { cacheDir, into, limits, ...options })
  return Array.fromAsync(items)
}

async function fetchOne(record: Item, options: Partial<FetchOptions> = {}): Promise<PackageRecord> {
  const [item] = await fetchAll([record], options)
  if (item === undefined || isFailure(item)) throw new Error(`failed: ${JSON.stringify(item)}`)
  return item
}

async function failOne(record: Item, options: Partial<FetchOptions> = {}): Promise<Failure['error']> {
  const [item] = await fetchAll([record], options)
  if (item === undefined || !isFailure(item)) throw new Error(`did not fail: ${JSON.stringify(item)}`)
  return item.error
}

/** The files below a directory, without the lock files. */
async function tree(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile() && basename(entry.parentPath) !== 'locks')
  return files.map((entry) => entry.name)
}

function limitsFor(sin: Sin): Partial<Limits> {
  const waits = sin === 'stalls' || sin === 'stalls-once' || sin === 'slow-headers'
  return waits ? { ...limits, firstByte: 300, idle: 300 } : limits
}

const partials = async (): Promise<string[]> =>
  (await readdir(join(cacheDir, 'partial')).catch(() => [])).filter((name) => !name.endsWith('.json'))

describe('an honest server', () => {
  test('the bytes arrive in the cache and in the directory, and the digest is proof', async () => {
    const server = await start('none')
    const record = { ...server.record(file), note: { kept: true } }
    const fetched = await fetchOne(record)
    expect(fetched).toEqual({ ...record, path: join(into, file), proofs: [{ by: 'digest' }] })
    expect(await readFile(join(into, file))).toEqual(bytes)
    expect(await readFile(blobPath(cacheDir, record.digest))).toEqual(bytes)
    expect(await tree(dir)).toHaveLength(2)
  })

  test('a second fetch asks nobody', async () => {
    const server = await start('none')
    const record = server.record(file)
    await fetchOne(record, { into: undefined })
    const again = await fetchOne(record, { into: undefined })
    expect(again.path).toBe(blobPath(cacheDir, record.digest))
    expect(server.requests).toHaveLength(1)
  })

  test('a damaged package in the cache is thrown out and fetched again', async () => {
    const server = await start('none')
    const record = server.record(file)
    const { path = '' } = await fetchOne(record, { into: undefined })
    await writeFile(path, bytes.toReversed())
    await fetchOne(record)
    expect(await readFile(path)).toEqual(bytes)
    expect(server.requests).toHaveLength(2)
  })

  test('a record without digest gains size and digest, but no proof', async () => {
    const server = await start('none')
    const { size: _size, digest, ...record } = server.record(file)
    const fetched = await fetchOne({ ...record, proofs: [{ by: 'digest' }] })
    expect(fetched).toMatchObject({ digest, size: bytes.length, proofs: [] })
    expect(await partials()).toEqual([])
  })

  test('proofs that a record brought are dropped: they were given to bytes nobody here has seen', async () => {
    const server = await start('none')
    const forged = [
      { by: 'minisign', key: 'ABC' },
      { by: 'digest', at: 'before' },
    ]
    const fetched = await fetchOne({ ...server.record(file), proofs: forged })
    expect(fetched.proofs).toEqual([{ by: 'digest' }])
  })

  test('who vouched for the digest that the bytes have is kept: TUF, and nobody else', async () => {
    const server = await start('none')
    const tuf = { by: 'tuf', role: 'targets', version: 3, expires: '2030-01-01T00:00:00Z' }
    const record = { ...server.record(file), proofs: [{ by: 'minisign' }, tuf] }
    expect((await fetchOne(record)).proofs).toEqual([{ by: 'digest' }, tuf])
    const { digest: _digest, ...unknown } = record
    expect((await fetchOne(unknown)).proofs).toEqual([])
    const path = join(dir, file)
    await writeFile(path, bytes)
    expect((await fetchOne({ ...record, url: pathToFileURL(path).href })).proofs).toEqual([
      { by: 'digest' },
      tuf,
    ])
  })

  test('the same package twice in one stream is downloaded once', async () => {
    const server = await start('none')
    const record = server.record(file)
    const items = await fetchAll([record, record, record])
    expect(items.filter(isFailure)).toEqual([])
    expect(server.requests).toHaveLength(1)
  })

  test('results come in the order of the records, and failures of earlier steps in their place', async () => {
    const names = Array.from({ length: 12 }, (_, n) => `app${n}-1.0.0-any-any`)
    const server = await start('none', Object.fromEntries(names.map((name) => [name, randomBytes(1000)])))
    const failure = { error: { step: 'list', code: 'unreachable', exit: 69, message: 'no' } }
    const records: Item[] = names.map((name) => server.record(name))
    records.splice(5, 0, failure)
    const items = await fetchAll(records, { jobs: 3 })
    expect(items[5]).toBe(failure)
    expect(items.map((item) => (isFailure(item) ? '' : item.file))).toEqual(names.toSpliced(5, 0, ''))
  })

  test('no more are read ahead than are worked on, and a result does not wait for the next record', async () => {
    const server = await start('none')
    const record = server.record(file)
    let read = 0
    async function* source(): AsyncGenerator<Item> {
      for (; read < 100; read++) yield await Promise.resolve(record)
      await new Promise(() => undefined)
    }
    const results = fetchPackages(source(), { cacheDir, limits, jobs: 2 })
    await results.next()
    expect(read).toBeLessThanOrEqual(3)
    await results.return(undefined)
  })

  test('progress is told, and its last word is that it is done', async () => {
    const server = await start('none')
    const told: Progress[] = []
    await fetchOne(server.record(file), { observer: { ...silent, progress: (one) => told.push(one) } })
    expect(told.at(-1)).toEqual({ file, received: bytes.length, total: bytes.length, done: true })
  })

  test('a package of many megabytes is hashed beside its download, also when it is resumed', async () => {
    const large = randomBytes(30 * 2 ** 20)
    const server = await start('truncates-once', { [file]: large })
    const record = server.record(file)
    await fetchOne(record)
    expect(digestOf(await readFile(join(into, file)))).toBe(record.digest)
    expect(server.requests[1]?.headers.range).toMatch(/^bytes=\d+-$/)
  })

  test('an empty package is a package', async () => {
    const server = await start('none', { [file]: Buffer.alloc(0) })
    await fetchOne(server.record(file))
    expect((await stat(join(into, file))).size).toBe(0)
  })
})

describe('a server that goes and comes back', () => {
  test.each<Sin>(['truncates-once', 'stalls-once', 'resets-once', 'fails-in-the-middle', 'ignores-range'])(
    '%s: the package arrives all the same',
    async (sin) => {
      const server = await start(sin)
      await fetchOne(server.record(file))
      expect(await readFile(join(into, file))).toEqual(bytes)
      expect(server.requests.at(-1)?.headers['if-range']).toBe(`"${server.record(file).digest.slice(7)}"`)
    },
  )

  test('a run that was cut off is resumed by the next one', async () => {
    const server = await start('truncates-once')
    const record = server.record(file)
    const first = await failOne(record, { limits: { ...limits, tries: 1 } })
    expect(first).toMatchObject({ step: 'fetch', code: 'unreachable', exit: 69 })
    const [partial = ''] = await partials()
    const had = (await stat(join(cacheDir, 'partial', partial))).size
    expect(had).toBeGreaterThan(0)
    await fetchOne(record)
    expect(server.requests[1]?.headers.range).toBe(`bytes=${had}-`)
    expect(await tree(dir)).toHaveLength(2)
  })

  test('bytes that were damaged between two runs do not spoil the package for ever', async () => {
    const server = await start('truncates-once')
    const record = server.record(file)
    await failOne(record, { limits: { ...limits, tries: 1 } })
    const [partial = ''] = await partials()
    const path = join(cacheDir, 'partial', partial)
    await writeFile(path, Buffer.alloc((await stat(path)).size))
    await fetchOne(record)
    expect(await readFile(join(into, file))).toEqual(bytes)
    expect(server.requests.slice(1).map(({ headers }) => headers.range === undefined)).toEqual([false, true])
  })

  test('a partial file that was complete needs no request, one that is too long is begun anew', async () => {
    const server = await start('none')
    const record = server.record(file)
    const path = join(cacheDir, 'partial', record.digest.slice(7))
    await mkdir(join(cacheDir, 'partial'), { recursive: true })
    await writeFile(path, bytes)
    await fetchOne(record, { into: undefined })
    expect(server.requests).toHaveLength(0)
    await rm(blobPath(cacheDir, record.digest))
    await writeFile(path, Buffer.concat([bytes, bytes]))
    await fetchOne(record)
    expect(server.requests).toHaveLength(1)
  })

  test('what is complete is known by the 416 of the server, where the record tells no size', async () => {
    const server = await start('truncates-once')
    const { size: _size, ...record } = server.record(file)
    await failOne(record, { limits: { ...limits, tries: 1 } })
    const path = join(cacheDir, 'partial', record.digest.slice(7))
    await writeFile(path, bytes)
    await fetchOne(record)
    expect(server.requests[1]?.headers.range).toBe(`bytes=${bytes.length}-`)
  })

  test('a file that changed in between is not patched together', async () => {
    const server = await start('changes')
    expect((await failOne(server.record(file))).code).toBe('wrong-digest')
    expect(await tree(dir)).toEqual([])
    const { digest: _digest, size: _size, ...record } = server.record(file)
    const fetched = await fetchOne(record)
    expect(fetched.digest).toBe(digestOf(await readFile(join(into, file))))
  })
})

const punished: [Sin, string, number, 'resumable'?][] = [
  ['truncates', 'unreachable', 69, 'resumable'],
  ['ends-early', 'wrong-size', 65],
  ['stalls', 'unreachable', 69, 'resumable'],
  ['drips', 'unreachable', 69, 'resumable'],
  ['sends-more', 'wrong-size', 65],
  ['never-ends', 'wrong-size', 65],
  ['wrong-range', 'protocol', 76, 'resumable'],
  ['no-range', 'protocol', 76, 'resumable'],
  ['other-file', 'protocol', 76, 'resumable'],
  ['other-etag', 'protocol', 76, 'resumable'],
  ['unsatisfiable-for-ever', 'protocol', 76, 'resumable'],
  ['unasked-part', 'protocol', 76],
  ['fails-for-ever', 'unreachable', 69],
  ['asks-to-wait', 'unreachable', 69],
  ['resets', 'unreachable', 69, 'resumable'],
  ['hangs-up', 'unreachable', 69],
  ['redirects-for-ever', 'redirect', 76],
  ['redirects-to-file', 'redirect', 76],
  ['redirects-nowhere', 'redirect', 76],
  ['gzip-bomb', 'protocol', 76],
  ['wrong-size', 'wrong-size', 65],
  ['wrong-digest', 'wrong-digest', 65],
  ['not-found', 'not-found', 69],
  ['unauthorized', 'denied', 69],
  ['teapot', 'protocol', 76],
  ['huge-headers', 'protocol', 76],
  ['slow-headers', 'unreachable', 69],
  ['not-http', 'protocol', 76],
]

describe('a hostile server', () => {
  test.each(punished)('%s: %s, %i, and nothing bad stays', async (sin, code, exit, resumable) => {
    const server = await start(sin)
    const error = await failOne(server.record(file), { limits: limitsFor(sin) })
    expect(error).toMatchObject({ step: 'fetch', code, exit })
    expect(error.message).toContain(code.startsWith('wrong') ? '' : server.url)
    expect(await tree(into)).toEqual([])
    expect(await tree(join(cacheDir, 'sha256'))).toEqual([])
    const left = await partials()
    const sizes = await Promise.all(
      left.map(async (name) => (await stat(join(cacheDir, 'partial', name))).size),
    )
    if (!resumable) expect(sizes.every((size) => size === 0)).toBe(true)
    else expect(sizes.every((size) => size < bytes.length)).toBe(true)
  })

  test('a package of unknown size that never ends is given up', async () => {
    const server = await start('never-ends')
    const { size: _size, digest: _digest, ...record } = server.record(file)
    const error = await failOne(record, { limits: { ...limits, maxDownload: 2 ** 20 } })
    expect(error.code).toBe('too-large')
    expect(await tree(dir)).toEqual([])
  })

  test('an address where nobody listens: 69, after as many tries as allowed', async () => {
    const server = await start('none')
    const record = server.record(file)
    await servers.pop()?.close()
    const told: string[] = []
    const error = await failOne(record, { observer: { ...silent, info: (text) => told.push(text) } })
    expect(error).toMatchObject({ code: 'unreachable', exit: 69 })
    expect(error.message).toContain('connection refused')
    expect(told).toHaveLength(3)
  })
})

describe('several mirrors', () => {
  const warned: string[] = []
  const observer = { ...silent, warn: (text: string) => warned.push(text) }
  beforeEach(() => warned.splice(0))
  const both = (bad: HostileServer, honest: HostileServer): PackageRecord => ({
    ...bad.record(file),
    digest: digestOf(bytes),
    size: bytes.length,
    mirrors: [honest.record(file).url],
  })

  test.each<[Sin, RegExp]>([
    ['hangs-up', /the connection was cut/],
    ['stalls', /sent nothing for/],
    ['drips', /bytes a second/],
    ['not-found', /does not exist \(404\)/],
    ['unauthorized', /may not be read \(401\)/],
    ['teapot', /status 418/],
    ['redirects-for-ever', /sends us on without end/],
    ['sends-more', /more than 300000 bytes|has 300/],
    ['wrong-size', /bytes/],
    ['wrong-digest', /but its record says/],
    ['wrong-range', /answered with/],
  ])('the first one %s: the next one has it, and people are told', async (sin, why) => {
    const bad = await start(sin)
    const honest = await start('none')
    const record = both(bad, honest)
    const fetched = await fetchOne(record, { limits: limitsFor(sin), observer })
    expect(await readFile(join(into, file))).toEqual(bytes)
    expect(fetched).toMatchObject({ proofs: [{ by: 'digest' }], mirrors: record.mirrors })
    expect(warned).toHaveLength(1)
    expect(warned[0]).toContain(`${bad.url}/download/${file}`)
    expect(warned[0]).toMatch(why)
    expect(warned[0]).toContain(`; trying ${honest.url}`)
  })

  test('what the first one began the next one goes on with, though it has another tag', async () => {
    const bad = await start('truncates-once')
    const honest = await start('none')
    await fetchOne(both(bad, honest), { limits: { ...limits, tries: 1 }, observer })
    expect(honest.requests[0]?.headers).toMatchObject({ range: `bytes=${bytes.length / 2}-` })
    expect(honest.requests[0]?.headers['if-range']).toBeUndefined()
    expect(await readFile(join(into, file))).toEqual(bytes)
  })

  test('what the first one began with wrong bytes is begun anew', async () => {
    const bad = await start('truncates-once', { [file]: randomBytes(bytes.length) })
    const honest = await start('none')
    await fetchOne(both(bad, honest), { limits: { ...limits, tries: 1 }, observer })
    expect(honest.requests.map(({ headers }) => headers.range)).toEqual([
      `bytes=${bytes.length / 2}-`,
      undefined,
    ])
    expect(await readFile(join(into, file))).toEqual(bytes)
  })

  test('all fail: the worst is what it says, and all are named', async () => {
    const away = await start('not-found')
    const liar = await start('wrong-digest')
    const closed = await start('hangs-up')
    const mirrors = [liar, closed].map((server) => server.record(file).url)
    const error = await failOne({ ...both(away, liar), mirrors }, { observer })
    expect(error).toMatchObject({ code: 'wrong-digest', exit: 65 })
    for (const { url } of [away, liar, closed]) expect(error.message).toContain(url)
    expect(error.message).toContain('none of 3 mirrors has app-1.0.0-any-any')
    expect(warned).toHaveLength(2)
    expect(await tree(join(cacheDir, 'sha256'))).toEqual([])
  })

  test('without a digest no other mirror is asked: nothing says that its bytes are the same', async () => {
    const bad = await start('not-found')
    const honest = await start('none')
    const { digest: _digest, ...record } = both(bad, honest)
    expect((await failOne(record as PackageRecord)).code).toBe('not-found')
    expect(honest.requests).toEqual([])
  })

  test('what is no fault of a mirror is not tried again at another', async () => {
    const [first, second] = [await start('none'), await start('none')]
    await writeFile(cacheDir, 'a file')
    expect((await failOne(both(first, second), { observer })).exit).toBe(73)
    expect([...first.requests, ...second.requests, ...warned]).toEqual([])
  })

  test('a mirror may be a directory, or nothing that can be fetched', async () => {
    const bad = await start('not-found')
    const path = join(dir, file)
    await writeFile(path, bytes)
    const mirrors = ['gopher://x/y', join('file:///missing', file), pathToFileURL(path).href]
    const fetched = await fetchOne({ ...both(bad, bad), mirrors }, { observer, into: undefined })
    expect(fetched.path).toBe(path)
    expect(warned).toHaveLength(3)
  })
})

describe('what is on this machine already', () => {
  test('a file: address and a bare path are hashed where they stand', async () => {
    const path = join(dir, 'söme näme #1')
    await writeFile(path, bytes)
    const record = { schema: 1, name: 'app', version: '1.0.0', os: 'any', arch: 'any', file } as const
    const expected = { path, size: bytes.length, digest: digestOf(bytes) }
    const options = { into: undefined }
    expect(await fetchOne({ ...record, url: pathToFileURL(path).href }, options)).toMatchObject(expected)
    expect(await fetchOne({ ...record, path: basename(path) }, { ...options, cwd: dir })).toMatchObject(
      expected,
    )
    expect(await fetchOne({ ...record, path })).toMatchObject({ path: join(into, file) })
    const wrong = { ...record, path, digest: digestOf('other') }
    expect((await failOne(wrong)).code).toBe('wrong-digest')
  })

  test('what cannot be fetched says why', async () => {
    const record = { schema: 1, name: 'app', version: '1.0.0', os: 'any', arch: 'any', file } as const
    expect((await failOne(record)).code).toBe('bad-record')
    expect((await failOne({ ...record, url: 'gopher://x/y' })).code).toBe('bad-record')
    expect((await failOne({ ...record, url: 'file://elsewhere/x' })).code).toBe('bad-record')
    expect((await failOne({ ...record, path: join(dir, 'missing') })).code).toBe('cannot-read')
    expect((await failOne({ ...record, path: dir })).code).toBe('cannot-read')
  })
})

describe('where it is written', () => {
  test('a directory that cannot be made: 73', async () => {
    const server = await start('none')
    await writeFile(join(dir, 'into'), 'a file')
    expect(await failOne(server.record(file))).toMatchObject({ code: 'cannot-write', exit: 73 })
    expect(await failOne(server.record(file), { cacheDir: join(into, 'x') })).toMatchObject({ exit: 73 })
  })

  test('a name that is more than a name does not get out of the directory', async () => {
    const server = await start('none')
    for (const name of ['../out', 'a/b', '..', '.hidden'])
      expect((await failOne({ ...server.record(file), file: name })).code).toBe('bad-record')
    expect(await tree(dir)).toHaveLength(1)
  })

  test('a link that waits in the place of a partial file is not followed', async () => {
    const server = await start('none')
    const record = server.record(file)
    const victim = join(dir, 'victim')
    await writeFile(victim, 'precious')
    await mkdir(join(cacheDir, 'partial'), { recursive: true })
    await symlink(victim, join(cacheDir, 'partial', record.digest.slice(7)))
    expect((await failOne(record)).exit).toBe(73)
    expect(await readFile(victim, 'utf8')).toBe('precious')
  })

  test('a file that stands in the directory is replaced whole', async () => {
    const server = await start('none')
    await fetchOne(server.record(file))
    await truncate(join(into, file), 5)
    await fetchOne(server.record(file))
    expect(await readFile(join(into, file))).toEqual(bytes)
    expect(await readdir(into)).toEqual([file])
  })

  test('told to stop, it stops; what was there is resumed later', async () => {
    const server = await start('stalls')
    const stop = new AbortController()
    const observer = { ...silent, debug: () => undefined }
    const running = fetchAll([server.record(file)], { signal: stop.signal, observer })
    await expect.poll(() => server.requests.length).toBe(1)
    stop.abort()
    await expect(running).rejects.toMatchObject({ name: 'AbortError' })
  })
})
