import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { withLock } from '../../src/store/lock.ts'

const module = new URL('../../src/store/lock.ts', import.meta.url).href
let dir: string
let path: string
const children: ChildProcess[] = []

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper-lock-'))
  path = join(dir, 'deep', 'lock')
})
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(dir, { recursive: true })
})

/** Starts another process that takes the lock, says so, and holds it until it is ended. */
async function holder(): Promise<ChildProcess> {
  const child = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { withLock } from ${JSON.stringify(module)}
      await withLock(${JSON.stringify(path)}, { what: 'it' }, () => { console.log('held'); return new Promise(() => setInterval(() => {}, 1e6)) })`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

test('gives what the work returned and leaves an empty file', async () => {
  await expect(withLock(path, { what: 'it' }, () => Promise.resolve(7))).resolves.toBe(7)
  expect((await stat(path)).size).toBe(0)
})

test('lets one at a time in within a process', async () => {
  let inside = 0
  let most = 0
  const work = async (): Promise<void> => {
    most = Math.max(most, ++inside)
    await stat(dir)
    inside--
  }
  await Promise.all(Array.from({ length: 20 }, () => withLock(path, { what: 'it' }, work)))
  expect(most).toBe(1)
})

test('is free again after work that failed', async () => {
  await expect(withLock(path, { what: 'it' }, () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  await expect(withLock(path, { what: 'it', wait: 0 }, () => Promise.resolve('ok'))).resolves.toBe('ok')
})

test('says "locked" when another process keeps it past the deadline, and is free when that one is killed', async () => {
  const child = await holder()
  const attempt = withLock(path, { what: '/opt/app', wait: 30 }, () => Promise.resolve())
  await expect(attempt).rejects.toMatchObject({
    code: 'locked',
    exit: 75,
    message: expect.stringContaining('/opt/app') as string,
  })
  const waiting = withLock(path, { what: 'it' }, () => Promise.resolve('mine'))
  child.kill('SIGKILL')
  await expect(waiting).resolves.toBe('mine')
})

test('two processes that add to a file under the lock lose nothing', async () => {
  const file = join(dir, 'count')
  await writeFile(file, '0')
  const script = `import { withLock } from ${JSON.stringify(module)}
    import { readFile, writeFile } from 'node:fs/promises'
    for (let i = 0; i < 50; i++) await withLock(${JSON.stringify(path)}, { what: 'it' }, async () => {
      await writeFile(${JSON.stringify(file)}, String(Number(await readFile(${JSON.stringify(file)}, 'utf8')) + 1)) })`
  const run = promisify(execFile)
  const args = ['--input-type=module', '-e', script]
  await Promise.all([run(process.execPath, args), run(process.execPath, args)])
  expect(await readFile(file, 'utf8')).toBe('100')
})

test('stops waiting when it is told to', async () => {
  const stop = new AbortController()
  await withLock(path, { what: 'it' }, async () => {
    const waiting = withLock(path, { what: 'it', signal: stop.signal }, () => Promise.resolve())
    stop.abort()
    await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  })
})

test('says "cannot-write" where no lock file can be', async () => {
  await writeFile(join(dir, 'deep'), 'a file')
  await expect(withLock(path, { what: 'it' }, () => Promise.resolve())).rejects.toMatchObject({ exit: 73 })
  await expect(withLock(dir, { what: 'it' }, () => Promise.resolve())).rejects.toMatchObject({ exit: 73 })
})
