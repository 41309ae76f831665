import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import {
  appendFile,
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { unprivileged } from '../unprivileged.ts'
import { from } from '../../src/package/flow.ts'
import type { Failure, Item, PackageRecord } from '../../src/package/record.ts'
import { toFailure } from '../../src/package/record.ts'
import { install, type InstallOptions } from '../../src/store/install.ts'
import { rollback } from '../../src/store/rollback.ts'
import { describeTarget } from '../../src/store/target.ts'
import { makeArchive, makeRaw, programText, say, writeProgram } from './packages.ts'

// Everything here is synced, which takes seconds on a disk that others keep busy.
vi.setConfig({ testTimeout: 60_000 })

const env = { PATH: process.env.PATH }
const root = process.getuid?.() === 0
let dir: string
let app: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper "install" ü '))
  app = join(dir, 'bin', 'app')
})
afterEach(() => {
  execFileSync('chmod', ['-R', 'u+rwx', dir])
  return rm(dir, { recursive: true, force: true })
})

async function installed(items: Iterable<Item>, more: Partial<InstallOptions> = {}): Promise<Item[]> {
  return Array.fromAsync(install(from(items), { to: app, cwd: dir, env, ...more }))
}

async function changes(record: PackageRecord, more: Partial<InstallOptions> = {}): Promise<unknown> {
  const [item] = await installed([record], more)
  if (item !== undefined && 'error' in item) return (item as Failure).error
  return (item as PackageRecord).installed
}

async function slots(target = app): Promise<string[]> {
  const home = join(target, '..', '.gupper', 'app')
  expect(await readdir(join(home, 'tmp'))).toEqual([])
  return (await readdir(join(home, 'slots'))).toSorted()
}

describe('a single program', () => {
  test('is placed where nothing stood, executable, with the directories it needs', async () => {
    const record = await makeRaw(dir, '1.0.0')
    expect(await changes(record)).toEqual({ path: app, changed: true })
    expect(await say(app)).toBe('app version 1.0.0')
    expect((await lstat(app)).mode & 0o7777).toBe(0o755)
    expect((await lstat(app)).isFile()).toBe(true)
    expect((await stat(app)).nlink).toBe(2)
  })

  test('takes the place of an older one, and says which', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    expect(await changes(await makeRaw(dir, '1.1.0'))).toEqual({
      path: app,
      changed: true,
      previous: '1.0.0',
    })
    expect(await say(app)).toBe('app version 1.1.0')
  })

  test('passes the record on with its unknown fields', async () => {
    const record = { ...(await makeRaw(dir, '1.0.0')), note: { kept: true } }
    expect(await installed([record])).toEqual([{ ...record, installed: { path: app, changed: true } }])
  })

  test('that stands there already is not touched', async () => {
    const record = await makeRaw(dir, '1.0.0')
    await changes(record)
    const before = await stat(app, { bigint: true })
    // The bytes are not needed to know it.
    await rm(record.path)
    expect(await changes(record)).toEqual({ path: app, changed: false })
    const after = await stat(app, { bigint: true })
    expect([after.ino, after.mtimeNs, after.ctimeNs]).toEqual([before.ino, before.mtimeNs, before.ctimeNs])
  })

  test('that was there before gupper came is kept as the first slot', async () => {
    await writeProgram(app, '0.9.0')
    expect(await changes(await makeRaw(dir, '1.0.0'))).toMatchObject({ changed: true, previous: '0.9.0' })
    await rollback(app, { cwd: dir, env })
    expect(await readFile(app, 'utf8')).toBe(programText('0.9.0'))
  })

  test('that was there before gupper came and is the very package is taken over', async () => {
    const record = await makeRaw(dir, '1.0.0')
    await writeProgram(app, '1.0.0')
    expect(await changes(record)).toMatchObject({ changed: true, previous: '1.0.0' })
    expect(await say(app)).toBe('app version 1.0.0')
    expect(await changes(record)).toEqual({ path: app, changed: false })
    expect(await slots()).toHaveLength(1)
  })

  test('that was there and has other names is kept as a copy, so that writing to those does not reach it', async () => {
    const build = await writeProgram(join(dir, 'build'), '0.9.0')
    await mkdir(join(dir, 'bin'))
    execFileSync('ln', [build, app])
    await changes(await makeRaw(dir, '1.0.0'))
    await writeFile(build, 'written over')
    await rollback(app, { cwd: dir, env })
    expect(await say(app)).toBe('app version 0.9.0')
  })

  test('that was written over in place is kept, and the slot it spoiled is not used again', async () => {
    const first = await makeRaw(dir, '1.0.0')
    await changes(first)
    await writeFile(app, programText('1.0.1'))
    expect(await changes(first, { allowDowngrade: true })).toMatchObject({ changed: true, previous: '1.0.1' })
    expect(await say(app)).toBe('app version 1.0.0')
    await rollback(app, { cwd: dir, env })
    expect(await say(app)).toBe('app version 1.0.1')
  })

  test('is installed where a link of somebody else leads', async () => {
    const real = await writeProgram(join(dir, 'opt', 'tool'), '0.9.0')
    await mkdir(join(dir, 'bin'))
    await symlink('../opt/tool', app)
    expect(await changes(await makeRaw(dir, '1.0.0'))).toEqual({
      path: real,
      changed: true,
      previous: '0.9.0',
    })
    expect(await readlink(app)).toBe('../opt/tool')
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('is known again after the directory was copied without its hard links', async () => {
    const record = await makeRaw(dir, '1.0.0')
    await changes(record)
    const copy = join(dir, 'copy')
    execFileSync('cp', ['-r', join(dir, 'bin'), copy])
    expect(await changes(record, { to: join(copy, 'app') })).toMatchObject({ changed: false })
  })
})

describe('a tree', () => {
  test('becomes a relative symlink, which the next one swaps', async () => {
    expect(await changes(await makeArchive(dir, '1.0.0'))).toEqual({ path: app, changed: true })
    expect(await readlink(app)).toMatch(/^\.gupper\/app\/slots\/1\.0\.0-[0-9a-f]{8}$/)
    expect(await changes(await makeArchive(dir, '1.1.0'))).toMatchObject({ previous: '1.0.0' })
    expect(await say(join(app, 'run'))).toBe('app version 1.1.0')
    await rename(join(dir, 'bin'), join(dir, 'moved'))
    expect(await say(join(dir, 'moved', 'app', 'run'))).toBe('app version 1.1.0')
  })

  test('that stands there already is not touched', async () => {
    const record = await makeArchive(dir, '1.0.0')
    await changes(record)
    const before = await lstat(app, { bigint: true })
    await rm(record.path)
    expect(await changes(record)).toEqual({ path: app, changed: false })
    expect((await lstat(app, { bigint: true })).ino).toBe(before.ino)
  })

  test('takes the place of a program and the other way round, and both can be taken back', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    await changes(await makeArchive(dir, '2.0.0'))
    expect(await say(join(app, 'run'))).toBe('app version 2.0.0')
    await changes(await makeRaw(dir, '3.0.0'))
    expect(await say(app)).toBe('app version 3.0.0')
    await rollback(app, { cwd: dir, env })
    expect(await say(join(app, 'run'))).toBe('app version 2.0.0')
    await rollback(app, { cwd: dir, env })
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('swaps a link of somebody else to a directory, and gives it back', async () => {
    await writeProgram(join(dir, 'releases', '7', 'bin', 'app'), '0.7.0')
    await mkdir(join(dir, 'bin'))
    await symlink('../releases/7', app)
    expect(await changes(await makeArchive(dir, '1.0.0'))).toMatchObject({ path: app, changed: true })
    expect(await say(join(app, 'bin/app'))).toBe('app version 1.0.0')
    await rollback(app, { cwd: dir, env })
    expect(await readlink(app)).toBe('../releases/7')
    expect(await say(join(app, 'bin/app'))).toBe('app version 0.7.0')
  })

  test('follows a link of somebody else to a tree of ours', async () => {
    await changes(await makeArchive(dir, '1.0.0'))
    await symlink('bin/app', join(dir, 'link'))
    expect(await changes(await makeArchive(dir, '1.1.0'), { to: 'link' })).toMatchObject({
      path: app,
      previous: '1.0.0',
    })
    expect(await readlink(join(dir, 'link'))).toBe('bin/app')
  })

  test('whose receipt was lost is kept and can be gone back to', async () => {
    await changes(await makeArchive(dir, '1.0.0'))
    await rm(join(dir, 'bin', '.gupper', 'app', 'receipt.json'))
    await changes(await makeArchive(dir, '1.1.0'))
    expect(await rollback(app, { cwd: dir, env })).toMatchObject({ version: '1.0.0' })
    expect(await say(join(app, 'run'))).toBe('app version 1.0.0')
  })

  test('gives one of its files with --pick, as a plain program', async () => {
    const record = await makeArchive(dir, '1.0.0')
    expect(await changes(record, { pick: 'bin/app' })).toEqual({ path: app, changed: true })
    expect((await lstat(app)).isFile()).toBe(true)
    expect(await say(app)).toBe('app version 1.0.0')
    expect(await changes(record, { pick: 'bin/app' })).toEqual({ path: app, changed: false })
    expect(await changes(record, { pick: 'README' })).toMatchObject({ changed: true })
    expect((await describeTarget(app, { env })).digest).toBe(record.digest)
  })

  test('that is no archive, or lacks the file that is picked, is refused', async () => {
    const record = await makeArchive(dir, '1.0.0')
    expect(await changes(record, { pick: 'nope' })).toMatchObject({ code: 'usage', exit: 64 })
    await appendFile(record.path, 'x')
    expect(await changes(record)).toMatchObject({ code: 'wrong-size', exit: 65 })
    const text = join(dir, 'text-1.0.0-any-any.tar.gz')
    await writeFile(text, 'this is no archive')
    const { size: _, ...rest } = record
    const digest = `sha256:${createHash('sha256').update('this is no archive').digest('hex')}`
    const bad = { ...rest, digest, file: 'text-1.0.0-any-any.tar.gz', path: text }
    const error = await changes(bad)
    expect(error).toMatchObject({
      code: 'bad-archive',
      exit: 65,
      message: expect.stringContaining(text) as string,
    })
    expect(await slots()).toEqual([])
  })
})

describe('what is kept', () => {
  test('is as many versions as asked for, the newest ones', async () => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0', '1.3.0']) await changes(await makeRaw(dir, version))
    expect((await slots()).map((slot) => slot.slice(0, 5))).toEqual(['1.1.0', '1.2.0', '1.3.0'])
  })

  test('is never less than a rollback needs', async () => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await changes(await makeRaw(dir, version), { keep: 1 })
    expect((await slots()).map((slot) => slot.slice(0, 5))).toEqual(['1.1.0', '1.2.0'])
  })

  test('is rather what was not taken back', async () => {
    for (const version of ['1.0.0', '1.1.0', '1.2.0']) await changes(await makeRaw(dir, version))
    await rollback(app, { cwd: dir, env })
    await changes(await makeRaw(dir, '1.3.0'))
    expect((await slots()).map((slot) => slot.slice(0, 5))).toEqual(['1.0.0', '1.1.0', '1.3.0'])
  })

  test('is used again when it is installed again', async () => {
    const first = await makeRaw(dir, '1.0.0')
    await changes(first)
    await changes(await makeRaw(dir, '1.1.0'))
    await rm(first.path)
    expect(await changes(first, { allowDowngrade: true })).toMatchObject({ changed: true, previous: '1.1.0' })
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('is placed anew when it was spoiled', async () => {
    const first = await makeRaw(dir, '1.0.0')
    await changes(first)
    await changes(await makeRaw(dir, '1.1.0'))
    const [slot = ''] = await slots()
    await writeFile(join(dir, 'bin', '.gupper', 'app', 'slots', slot, 'app'), 'spoiled')
    await changes(first, { allowDowngrade: true })
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('is repaired with --again, also where it stands', async () => {
    const record = await makeArchive(dir, '1.0.0')
    await changes(record)
    await rm(join(app, 'bin', 'app'))
    expect(await changes(record)).toMatchObject({ changed: false })
    expect(await changes(record, { again: true })).toMatchObject({ changed: true })
    expect(await say(join(app, 'run'))).toBe('app version 1.0.0')
    expect((await slots()).filter((name) => !name.endsWith('.manifest'))).toHaveLength(1)
    expect(await changes(record, { again: true })).toMatchObject({ changed: false })
  })
})

describe('a check', () => {
  test('runs on the new program before the switch', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const check = `test "$({})" = "app version 1.1.0" && test "$(${JSON.stringify(app)})" = "app version 1.0.0"`
    expect(await changes(await makeRaw(dir, '1.1.0'), { check })).toMatchObject({ changed: true })
  })

  test('runs on a tree through its directory', async () => {
    const check = 'test "$({}/bin/app)" = "app version 1.0.0"'
    expect(await changes(await makeArchive(dir, '1.0.0'), { check })).toMatchObject({ changed: true })
  })

  test.each([
    ['fails', 'echo it is broken >&2; exit 3', 'exited with 3; the last it said: it is broken'],
    ['hangs', 'exec sleep 1000', 'did not end within 200 ms'],
    ['writes to the program', 'echo more >> {}', 'it changed the program'],
  ])('that %s leaves the old one, and the build is held back', async (_, check, reason) => {
    await changes(await makeRaw(dir, '1.0.0'))
    const record = await makeRaw(dir, '1.1.0')
    expect(await changes(record, { check, checkDeadline: 200 })).toMatchObject({
      code: 'check-failed',
      exit: 65,
      message: `the check of app 1.1.0 failed: ${reason}`,
    })
    expect(await say(app)).toBe('app version 1.0.0')
    expect(await slots()).toHaveLength(1)
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set([record.digest]))
    expect(await changes(record)).toMatchObject({ code: 'rejected', exit: 65 })
    expect(await changes(record, { again: true })).toMatchObject({ changed: true })
    expect((await describeTarget(app, { env })).rejected).toEqual(new Set())
  })
})

describe('what is refused', () => {
  test('is what nothing proves, unless nothing is required', async () => {
    const { proofs: _, digest: __, ...record } = await makeRaw(dir, '1.0.0')
    expect(await changes(record)).toMatchObject({ code: 'unproven', exit: 77 })
    expect(await changes(record, { require: ['none'] })).toMatchObject({ changed: true })
    expect(await changes(record, { require: ['none'] })).toMatchObject({ changed: false })
  })

  test('is what lacks the proof that is required', async () => {
    const record = await makeRaw(dir, '1.0.0')
    expect(await changes(record, { require: ['minisign'] })).toMatchObject({ code: 'unproven', exit: 77 })
  })

  test('is a record without a path', async () => {
    const { path: _, ...record } = await makeRaw(dir, '1.0.0')
    expect(await changes(record)).toMatchObject({ code: 'bad-record', hint: 'put gupper fetch before it' })
  })

  test('is a package for another platform', async () => {
    const record = { ...(await makeRaw(dir, '1.0.0')), os: 'plan9' }
    expect(await changes(record)).toMatchObject({ code: 'wrong-platform', exit: 64 })
  })

  test('is an older version, unless that is allowed', async () => {
    const old = await makeRaw(dir, '1.0.0')
    await changes(await makeRaw(dir, '1.1.0'))
    expect(await changes(old)).toMatchObject({ code: 'downgrade', exit: 64 })
    expect(await changes(old, { allowDowngrade: true })).toMatchObject({ changed: true })
  })

  test('is a version older than that of a program gupper did not install', async () => {
    await writeProgram(app, '2.0.0')
    expect(await changes(await makeRaw(dir, '1.0.0'))).toMatchObject({ code: 'downgrade', exit: 64 })
  })

  test('is another package than the one that stands there', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    expect(await changes(await makeRaw(dir, '2.0.0', 'other'))).toMatchObject({ code: 'ambiguous', exit: 64 })
  })

  test('is a file that is not what its record says, and nothing is left behind', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const record = await makeRaw(dir, '1.1.0')
    await writeFile(record.path, (await readFile(record.path, 'utf8')).replace('1.1.0', '6.6.6'))
    expect(await changes(record)).toMatchObject({ code: 'wrong-digest', exit: 65 })
    await writeFile(record.path, '')
    expect(await changes(record)).toMatchObject({ code: 'wrong-size', exit: 65 })
    await writeFile(record.path, 'x'.repeat(100_000))
    expect(await changes(record)).toMatchObject({ code: 'wrong-size', exit: 65 })
    await rm(record.path)
    expect(await changes(record)).toMatchObject({ code: 'cannot-read', exit: 69 })
    execFileSync('mkfifo', [record.path])
    expect(await changes(record)).toMatchObject({ code: 'cannot-read', exit: 69 })
    expect(await say(app)).toBe('app version 1.0.0')
    expect(await slots()).toHaveLength(1)
  })

  test('is a directory where the program should be, with the remedy', async () => {
    await mkdir(app, { recursive: true })
    const record = await makeRaw(dir, '1.0.0')
    expect(await changes(record)).toMatchObject({
      code: 'cannot-write',
      exit: 73,
      hint: `move it away, or install into it: --to ${app}/`,
    })
    expect(await changes(await makeArchive(dir, '1.0.0'))).toMatchObject({ code: 'cannot-write', exit: 73 })
    expect(await readdir(join(dir, 'bin'))).toEqual(['app'])
  })

  test('is a link to a directory for a single program, and a device', async () => {
    await mkdir(join(dir, 'there'))
    await symlink('there', join(dir, 'link'))
    const record = await makeRaw(dir, '1.0.0')
    expect(await changes(record, { to: 'link' })).toMatchObject({ code: 'cannot-write', exit: 73 })
    expect(await changes(record, { to: '/dev/null' })).toMatchObject({ code: 'cannot-write', exit: 73 })
  })

  test('is a file inside a tree that gupper installed', async () => {
    await changes(await makeArchive(dir, '1.0.0'))
    const inside = join(app, 'bin', 'app')
    expect(await changes(await makeRaw(dir, '2.0.0'), { to: inside })).toMatchObject({
      code: 'usage',
      exit: 64,
    })
  })

  test('is a directory that may not be written to', async () => {
    await writeProgram(app, '1.0.0')
    const record = await makeRaw(dir, '1.1.0')
    await unprivileged(dir, async () => {
      await chmod(join(dir, 'bin'), 0o555)
      expect(await changes(record)).toMatchObject({ code: 'cannot-write', exit: 73 })
    })
  })

  test.skipIf(!root)(
    'is a place for the slots that somebody else has made (needs root to make it)',
    async () => {
      const home = join(dir, 'bin', '.gupper', 'app')
      await mkdir(home, { recursive: true })
      await chown(home, 65_534, 65_534)
      const record = await makeRaw(dir, '1.0.0')
      expect(await changes(record)).toMatchObject({ code: 'cannot-write', exit: 73 })
      await rm(home, { recursive: true })
      await symlink(dir, home)
      expect(await changes(record)).toMatchObject({ code: 'cannot-write', exit: 73 })
      expect(await readdir(join(dir, 'bin'))).toEqual(['.gupper'])
    },
  )

  test('is a target below a file', async () => {
    await writeFile(join(dir, 'file'), '')
    expect(await changes(await makeRaw(dir, '1.0.0'), { to: 'file/app' })).toMatchObject({ exit: 73 })
  })
})

describe('a batch', () => {
  test('with two records for one target switches nothing', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const failure = toFailure('fetch', new Error('went wrong'))
    const records = [
      await makeRaw(dir, '1.1.0'),
      failure,
      await makeRaw(dir, '1.2.0'),
      await makeRaw(dir, '1.3.0'),
    ]
    const items = await installed(records)
    const errors = items.map((item) => (item as Failure).error)
    expect(errors.map(({ code }) => code)).toEqual(['bug', 'ambiguous', 'ambiguous', 'ambiguous'])
    expect(errors.slice(1).map(({ record }) => record)).toEqual(records.filter((item) => item !== failure))
    expect(await say(app)).toBe('app version 1.0.0')
  })

  test('with two records for one target names the flag of a caller that chooses by itself', async () => {
    const records = [await makeRaw(dir, '1.0.0', 'one'), await makeRaw(dir, '1.1.0', 'two')]
    const items = await installed(records, { nameFlag: '--name' })
    expect(items.map((item) => (item as Failure).error.hint)).toEqual([
      'choose one with: --name NAME',
      'choose one with: --name NAME',
    ])
  })

  test('with the same package twice installs it once', async () => {
    const record = await makeRaw(dir, '1.0.0')
    const items = (await installed([record, record])) as PackageRecord[]
    expect(items.map((item) => item.installed?.changed)).toEqual([true, false])
  })

  test('for a directory installs each under its name', async () => {
    const records = [await makeRaw(dir, '1.0.0', 'one'), await makeArchive(dir, '1.0.0', 'two')]
    await installed(records, { to: 'bin/' })
    expect(await say(join(dir, 'bin', 'one'))).toBe('app version 1.0.0')
    expect(await say(join(dir, 'bin', 'two', 'run'))).toBe('app version 1.0.0')
  })

  test('for a directory with two records of a name fails those only', async () => {
    const twice = [await makeRaw(dir, '1.0.0', 'one'), await makeRaw(dir, '1.1.0', 'one')]
    const items = await installed([...twice, await makeRaw(dir, '1.0.0', 'two')], { to: 'bin/' })
    expect(items.map((item) => ('error' in item ? (item as Failure).error.code : 'done'))).toEqual([
      'ambiguous',
      'ambiguous',
      'done',
    ])
    expect(await readdir(join(dir, 'bin'))).toEqual(['.gupper', 'two'])
  })

  test('that does not end is acted on record by record', async () => {
    const watched = { at: '2026-11-20T10:00:00Z' }
    const first = { ...(await makeRaw(dir, '1.0.0')), watched }
    const second = { ...(await makeRaw(dir, '1.1.0')), watched }
    async function* endless(): AsyncGenerator<Item> {
      yield first
      expect(await say(app)).toBe('app version 1.0.0')
      yield second
      expect(await say(app)).toBe('app version 1.1.0')
    }
    const items = await Array.fromAsync(install(endless(), { to: app, cwd: dir, env }))
    expect(items).toHaveLength(2)
  })

  test('passes failures on without acting on them', async () => {
    const failure = toFailure('fetch', new Error('went wrong'), await makeRaw(dir, '1.0.0'))
    expect(await installed([failure])).toEqual([failure])
    expect(await readdir(dir)).not.toContain('bin')
  })
})

describe('a dry run', () => {
  test('says what would be done and touches nothing', async () => {
    const record = await makeRaw(dir, '1.0.0')
    expect(await changes(record, { dryRun: true })).toEqual({ path: app, changed: true, dry_run: true })
    expect(await readdir(dir)).not.toContain('bin')
    await changes(record)
    expect(await changes(record, { dryRun: true })).toEqual({ path: app, changed: false, dry_run: true })
    const next = await makeRaw(dir, '1.1.0')
    expect(await changes(next, { dryRun: true })).toMatchObject({ changed: true, previous: '1.0.0' })
    expect(await say(app)).toBe('app version 1.0.0')
  })
})

describe('many at once', () => {
  test('on one target: one does it, the others find nothing to do', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const record = await makeRaw(dir, '1.1.0')
    const results = await Promise.all(Array.from({ length: 12 }, () => changes(record)))
    expect(results.filter((result) => (result as { changed: boolean }).changed)).toHaveLength(1)
    expect(await slots()).toHaveLength(2)
  })

  test('say 75 when they may not wait', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const started = join(dir, 'started')
    execFileSync('mkfifo', [started])
    const slow = changes(await makeRaw(dir, '1.1.0'), { check: `read line < ${JSON.stringify(started)}` })
    const { withLock } = await import('../../src/store/lock.ts')
    const lock = join(dir, 'bin', '.gupper', 'app', 'lock')
    const isHeld = (): Promise<boolean> =>
      withLock(lock, { what: app, wait: 0 }, () => Promise.resolve(false)).catch(() => true)
    await expect.poll(isHeld).toBe(true)
    expect(await changes(await makeRaw(dir, '1.2.0'), { wait: 0 })).toMatchObject({
      code: 'locked',
      exit: 75,
    })
    await writeFile(started, 'go on\n')
    expect(await slow).toMatchObject({ changed: true })
  })

  test('ends when it is told to stop, and cleans up', async () => {
    await changes(await makeRaw(dir, '1.0.0'))
    const stop = new AbortController()
    const lock = join(dir, 'bin', '.gupper', 'app', 'slots')
    const running = changes(await makeRaw(dir, '1.1.0'), { check: 'exec sleep 1000', signal: stop.signal })
    const outcome = expect(running).rejects.toThrow('abort')
    await expect.poll(async () => (await readdir(lock)).length).toBe(2)
    stop.abort()
    await outcome
    expect(await slots()).toHaveLength(1)
    expect(await say(app)).toBe('app version 1.0.0')
  })
})
