import { chmod, copyFile, link, mkdir, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import type { Receipt } from '../../src/store/receipt.ts'
import { contentOf, homeOf } from '../../src/store/slots.ts'
import { describeTarget } from '../../src/store/target.ts'

const env = { PATH: process.env.PATH }
let dir: string

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gupper target '))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

function program(version: string): string {
  return `#!/bin/sh\necho app ${version}\n`
}

async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
  await chmod(path, 0o755)
}

/** Lays a slot and its receipt as install does, with a version the program itself does not tell. */
async function lay(target: string, text: string, version: string): Promise<string> {
  const home = homeOf(target)
  const path = contentOf(home, { slot: `${version}-x`, kind: 'file' })
  await put(path, text)
  const { mtimeNs, size } = await stat(path, { bigint: true })
  const digest = digestOf(text)
  const receipt: Receipt = {
    schema: 1,
    slots: [
      {
        slot: `${version}-x`,
        kind: 'file',
        name: 'app',
        version,
        digest,
        content: { digest, size: Number(size), mtime: String(mtimeNs) },
      },
    ],
    rejected: [
      { digest: digestOf('bad'), version: '9.0.0', reason: 'rolled-back', at: '2026-11-20T10:00:00Z' },
    ],
  }
  await writeFile(home.receipt, JSON.stringify(receipt))
  return path
}

test('a target that is not there does not exist', async () => {
  const path = join(dir, 'app')
  expect(await describeTarget(path, { env })).toEqual({ path, exists: false, rejected: new Set() })
})

test('a program that gupper did not install is asked for its version', async () => {
  const path = join(dir, 'app')
  await put(path, program('1.9'))
  expect(await describeTarget(path, { env })).toEqual({
    path,
    exists: true,
    version: '1.9.0',
    rejected: new Set(),
  })
})

test('a file that is no program has no version', async () => {
  const path = join(dir, 'app')
  await writeFile(path, 'just text')
  expect(await describeTarget(path, { env })).toEqual({ path, exists: true, rejected: new Set() })
})

test('a slot is described by its receipt, without running it', async () => {
  const path = join(dir, 'app')
  await link(await lay(path, program('0.0.1'), '2.0.0'), path)
  expect(await describeTarget(path, { env })).toEqual({
    path,
    exists: true,
    name: 'app',
    version: '2.0.0',
    digest: digestOf(program('0.0.1')),
    rejected: new Set([digestOf('bad')]),
  })
})

test('a copy of a slot with another inode and time is known by its bytes', async () => {
  const path = join(dir, 'app')
  await copyFile(await lay(path, program('0.0.1'), '2.0.0'), path)
  expect(await describeTarget(path, { env })).toMatchObject({ version: '2.0.0' })
})

test('a program that was replaced by hand is asked, whatever the receipt says', async () => {
  const path = join(dir, 'app')
  await link(await lay(path, program('0.0.1'), '2.0.0'), path)
  await put(join(dir, 'new'), program('3.0.0'))
  await rename(join(dir, 'new'), path)
  const found = await describeTarget(path, { env })
  expect(found.version).toBe('3.0.0')
  expect(found.name).toBeUndefined()
})

test('a program that was written over in place is asked, though its inode is the slot', async () => {
  const path = join(dir, 'app')
  await link(await lay(path, program('0.0.1'), '2.0.0'), path)
  await writeFile(path, program('0.0.9'))
  expect((await describeTarget(path, { env })).version).toBe('0.0.9')
})

test("a symlink of somebody else's is followed to the program and its receipt", async () => {
  const real = join(dir, 'opt', 'app')
  await mkdir(join(dir, 'opt'))
  await mkdir(join(dir, 'bin'))
  await link(await lay(real, program('0.0.1'), '2.0.0'), real)
  await symlink('../opt/app', join(dir, 'bin', 'app'))
  expect(await describeTarget(join(dir, 'bin', 'app'), { env })).toMatchObject({
    path: real,
    version: '2.0.0',
  })
})

test('a symlink that leads nowhere does not exist', async () => {
  await symlink('nowhere', join(dir, 'app'))
  expect(await describeTarget(join(dir, 'app'), { env })).toMatchObject({ exists: false })
})

test('symlinks in a circle are an error, not a hang', async () => {
  await symlink('b', join(dir, 'a'))
  await symlink('a', join(dir, 'b'))
  await expect(describeTarget(join(dir, 'a'), { env })).rejects.toMatchObject({ code: 'cannot-read' })
})

test('a directory is refused with the remedy', async () => {
  await expect(describeTarget(dir, { env })).rejects.toMatchObject({
    code: 'usage',
    hint: 'name the program in it, as in DIR/NAME',
  })
})

test('a receipt that is not one is refused, and so is one of a newer gupper', async () => {
  const path = join(dir, 'app')
  await link(await lay(path, program('0.0.1'), '2.0.0'), path)
  await writeFile(homeOf(path).receipt, '{"schema":1,"slots":[{"slot":"../../x"}],"rejected":[]}')
  await expect(describeTarget(path, { env })).rejects.toMatchObject({ code: 'damaged' })
  await writeFile(homeOf(path).receipt, '{"schema":2}')
  await expect(describeTarget(path, { env })).rejects.toMatchObject({ code: 'config' })
})
