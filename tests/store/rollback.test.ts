import { execFileSync } from 'node:child_process'
import {
  appendFile,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { from } from '../../src/package/flow.ts'
import { host } from '../../src/package/platform.ts'
import type { PackageRecord } from '../../src/package/record.ts'
import { install, type InstallOptions } from '../../src/store/install.ts'
import type { Receipt } from '../../src/store/receipt.ts'
import { listSlots, rollback, type RollbackOptions } from '../../src/store/rollback.ts'
import { homeOf } from '../../src/store/slots.ts'
import { describeTarget } from '../../src/store/target.ts'
import { makeArchive, makeRaw, say, writeProgram } from './packages.ts'

// Everything here is synced, which takes seconds on a disk that others keep busy.
vi.setConfig({ testTimeout: 60_000 })

const env = { PATH: process.env.PATH }
let dir: string
let app: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper rollback '))
  app = join(dir, 'app')
})
afterEach(() => rm(dir, { recursive: true, force: true }))

async function put(record: PackageRecord, more: Partial<InstallOptions> = {}): Promise<PackageRecord> {
  const [item] = await Array.fromAsync(install(from([record]), { to: app, cwd: dir, env, ...more }))
  expect(item).toMatchObject({ installed: { path: app } })
  return item as PackageRecord
}

async function putAll(...versions: string[]): Promise<PackageRecord[]> {
  const records = []
  for (const version of versions) records.push(await put(await makeRaw(dir, version)))
  return records
}

function back(more: Partial<RollbackOptions> = {}): Promise<PackageRecord> {
  return rollback(app, { cwd: dir, env, ...more })
}

async function list(): Promise<string[]> {
  const kept = await Array.fromAsync(listSlots(app, { cwd: dir }))
  return kept.map(({ version, current, rejected }) => `${version}${current ? '*' : ''}${rejected ? '!' : ''}`)
}

async function receipt(): Promise<Receipt> {
  return JSON.parse(await readFile(homeOf(app).receipt, 'utf8')) as Receipt
}

describe('a rollback', () => {
  test('brings the version before back and says so with its record', async () => {
    const [first] = await putAll('1.0.0', '1.1.0')
    const { path: _, installed: __, ...known } = first ?? {}
    expect(await back()).toEqual({
      ...known,
      installed: { path: app, changed: true, previous: '1.1.0', rolled_back: true },
    })
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('remembers the build that was left, so that it is not installed again by itself', async () => {
    const [, second] = await putAll('1.0.0', '1.1.0')
    await back()
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set([second?.digest]))
    const [refused] = await Array.fromAsync(install(from([second ?? first()]), { to: app, cwd: dir, env }))
    expect(refused).toMatchObject({ error: { code: 'rejected', exit: 65 } })
    await put(await makeRaw(dir, '1.1.0'), { again: true })
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set())
  })

  test('done twice goes two versions back, not to and fro', async () => {
    await putAll('1.0.0', '1.1.0', '1.2.0')
    await back()
    await back()
    expect(await say(app)).toBe('app version 1.0.0')
    expect(await list()).toEqual(['1.2.0!', '1.1.0!', '1.0.0*'])
    await expect(back()).rejects.toMatchObject({ code: 'no', exit: 1 })
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('after a later install goes to the one that was live before that', async () => {
    await putAll('1.0.0', '1.1.0', '1.2.0')
    await back()
    await putAll('1.3.0')
    expect(await back()).toMatchObject({ version: '1.1.0' })
  })

  test('of a downgrade goes up again', async () => {
    await putAll('1.0.0', '1.1.0')
    const old = await put(await makeRaw(dir, '1.0.0'), { allowDowngrade: true })
    expect(await back()).toMatchObject({ version: '1.1.0' })
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set([old.digest]))
  })

  test('swaps trees back', async () => {
    await put(await makeArchive(dir, '1.0.0'))
    await put(await makeArchive(dir, '1.1.0'))
    expect(await back()).toMatchObject({ version: '1.0.0', installed: { previous: '1.1.0' } })
    expect(await say(join(app, 'run'))).toBe('app version 1.0.0')
  })

  test('describes the program that was there before gupper as far as it is known', async () => {
    await writeProgram(app, '0.9.0')
    await putAll('1.0.0')
    expect(await back()).toMatchObject({
      schema: 1,
      name: 'app',
      version: '0.9.0',
      os: host.os,
      arch: host.arch,
    })
  })

  test('works through a link of somebody else', async () => {
    await putAll('1.0.0', '1.1.0')
    await symlink('app', join(dir, 'link'))
    expect(await rollback('link', { cwd: dir, env })).toMatchObject({
      version: '1.0.0',
      installed: { path: app },
    })
  })

  test('brings the newest back where the program was deleted', async () => {
    await putAll('1.0.0', '1.1.0')
    await unlink(app)
    expect((await back()).installed).toEqual({ path: app, changed: true, rolled_back: true })
    expect(await say(app)).toBe('app version 1.1.0')
  })

  test('keeps and condemns a program that was put there by hand since', async () => {
    await putAll('1.0.0', '1.1.0')
    await rename(await writeProgram(join(dir, 'mine'), '1.2.0'), app)
    expect(await back()).toMatchObject({ version: '1.1.0', installed: { previous: '1.2.0' } })
    expect(await back({ version: '1.2.0' })).toMatchObject({ version: '1.2.0' })
    expect(await say(app)).toBe('app version 1.2.0')
  })

  test('only says what it would do in a dry run', async () => {
    await putAll('1.0.0', '1.1.0')
    const before = await readFile(homeOf(app).receipt, 'utf8')
    expect((await back({ dryRun: true })).installed).toEqual({
      path: app,
      changed: true,
      previous: '1.1.0',
      dry_run: true,
    })
    expect(await say(app)).toBe('app version 1.1.0')
    expect(await readFile(homeOf(app).receipt, 'utf8')).toBe(before)
  })
})

describe('a rollback by name', () => {
  test('goes to any kept version and forgets that it was taken back', async () => {
    await putAll('1.0.0', '1.1.0', '1.2.0')
    await back()
    expect(await back({ version: '1.2' })).toMatchObject({
      version: '1.2.0',
      installed: { previous: '1.1.0' },
    })
    expect(await list()).toEqual(['1.0.0', '1.1.0', '1.2.0*'])
    await back({ version: 'v1.0.0' })
    expect(await list()).toEqual(['1.1.0', '1.2.0!', '1.0.0*'])
  })

  test('to what stands there changes nothing', async () => {
    await putAll('1.0.0', '1.1.0')
    const before = await lstat(app)
    expect((await back({ version: '1.1.0' })).installed).toEqual({ path: app, changed: false })
    expect((await lstat(app)).ctimeMs).toBe(before.ctimeMs)
  })

  test('says no to a version that is not kept, and which are', async () => {
    await putAll('1.0.0', '1.1.0')
    await expect(back({ version: '0.1.0' })).rejects.toMatchObject({
      code: 'no',
      message: `0.1.0 of ${app} is not kept; these are: 1.0.0, 1.1.0`,
    })
    await expect(back({ version: 'old' })).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('what cannot be gone back to', () => {
  test('is anything where nothing was installed', async () => {
    await expect(back()).rejects.toMatchObject({ code: 'not-installed', exit: 64 })
    await writeProgram(app, '1.0.0')
    await expect(back()).rejects.toMatchObject({ code: 'no', exit: 1 })
    await rm(app)
    await mkdir(app)
    await expect(back()).rejects.toMatchObject({ exit: 1 })
    expect(await readdir(dir)).toEqual(['app'])
  })

  test('is the first version', async () => {
    await putAll('1.0.0')
    await expect(back()).rejects.toMatchObject({ code: 'no', exit: 1 })
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set())
  })

  test('is a program that is no longer what was put there', async () => {
    await putAll('1.0.0', '1.1.0')
    const { slots } = await receipt()
    await appendFile(join(homeOf(app).slots, slots[0]?.slot ?? '', 'app'), 'echo more\n')
    await expect(back()).rejects.toMatchObject({ code: 'damaged', exit: 65 })
    expect(await say(app)).toBe('app version 1.1.0')
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set())
  })

  test('is a tree of which something was changed or deleted; what was added to it does not matter', async () => {
    await put(await makeArchive(dir, '1.0.0'))
    await put(await makeArchive(dir, '1.1.0'))
    await put(await makeArchive(dir, '1.2.0'))
    const [first, second] = (await receipt()).slots.map(({ slot }) => join(homeOf(app).slots, slot))
    await writeFile(join(first ?? '', 'log'), 'written by the program')
    await appendFile(join(second ?? '', 'README'), '!')
    await expect(back()).rejects.toMatchObject({ code: 'damaged', exit: 65 })
    expect(await back({ version: '1.0.0' })).toMatchObject({ version: '1.0.0' })
    await expect(back({ version: '1.1.0' })).rejects.toMatchObject({ code: 'damaged' })
  })

  test('is a version whose slot was deleted', async () => {
    await putAll('1.0.0', '1.1.0', '1.2.0')
    const { slots } = await receipt()
    await rm(join(homeOf(app).slots, slots[1]?.slot ?? ''), { recursive: true })
    expect(await back()).toMatchObject({ version: '1.0.0' })
    expect(await list()).toEqual(['1.2.0!', '1.0.0*'])
  })
})

describe('a rollback that was cut off', () => {
  async function cutOff(): Promise<void> {
    await putAll('1.0.0', '1.1.0', '1.2.0')
    const before = await receipt()
    const [, to, current] = before.slots
    const pending = { step: 'rollback', to: to?.slot, ...(current && { from: current.slot }) }
    const { digest = '', version = '' } = current ?? {}
    const rejected = [{ digest, version, reason: 'rolled-back', at: '2026-11-20T10:00:00Z' }]
    await writeFile(homeOf(app).receipt, JSON.stringify({ ...before, pending, rejected }))
  }

  test('before its switch is finished by the next one, not done twice', async () => {
    await cutOff()
    expect(await back()).toMatchObject({
      version: '1.1.0',
      installed: { previous: '1.2.0', rolled_back: true },
    })
    expect(await say(app)).toBe('app version 1.1.0')
    expect(await receipt()).not.toHaveProperty('pending')
  })

  test('after its switch is finished by the next one, not done twice', async () => {
    await cutOff()
    const { pending } = await receipt()
    execFileSync('ln', ['-f', join(homeOf(app).slots, pending?.to ?? '', 'app'), app])
    expect(await back()).toMatchObject({ version: '1.1.0', installed: { previous: '1.2.0' } })
    expect(await back()).toMatchObject({ version: '1.0.0' })
  })

  test('is finished by the next install too', async () => {
    await cutOff()
    await put(await makeRaw(dir, '1.3.0'))
    expect(await back()).toMatchObject({ version: '1.1.0' })
  })
})

test('the list shows what is kept in the order it went live', async () => {
  await expect(list()).rejects.toMatchObject({ code: 'not-installed' })
  await putAll('1.0.0', '1.1.0')
  const kept = await Array.fromAsync(listSlots(app, { cwd: dir }))
  expect(kept.map(({ version, current, rejected }) => ({ version, current, rejected }))).toEqual([
    { version: '1.0.0', current: false, rejected: false },
    { version: '1.1.0', current: true, rejected: false },
  ])
  expect(kept.every(({ activated }) => !Number.isNaN(Date.parse(activated ?? '')))).toBe(true)
})

function first(): never {
  throw new Error('there is no first record')
}
