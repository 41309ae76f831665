import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeDirectory } from '../../src/store/durable.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'gupper-durable-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

describe('making a directory', () => {
  it('makes those above it, and says which was the topmost', async () => {
    expect(await makeDirectory(path.join(dir, 'a/b/c'))).toBe(path.join(dir, 'a'))
    expect((await stat(path.join(dir, 'a/b/c'))).isDirectory()).toBe(true)
    expect(await makeDirectory(path.join(dir, 'a/b/c'))).toBeUndefined()
  })

  it('is done by two at once', async () => {
    const place = path.join(dir, 'x/y/z')
    await Promise.all(Array.from({ length: 8 }, () => makeDirectory(place)))
    expect((await stat(place)).isDirectory()).toBe(true)
  })

  it('fails where a file is in the way', async () => {
    await writeFile(path.join(dir, 'file'), '')
    await expect(makeDirectory(path.join(dir, 'file'))).rejects.toMatchObject({ code: 'ENOTDIR' })
    await expect(makeDirectory(path.join(dir, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  })

  it.runIf(process.platform === 'linux')('fails, and ends, where none can be made at all', async () => {
    await expect(makeDirectory('/proc/gupper/below')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
