// What lies where a file should be, and would be waited for without an end.
import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { initRepository } from '../../src/repository/init.ts'
import { readKeyring } from '../../src/repository/keys/keyring.ts'
import { makeKeyFiles } from '../../src/repository/keys/public-key.ts'
import { readPendingFile } from '../../src/repository/pending/file.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { makePipes } from '../../src/store/named-pipe.ts'
import { has } from '../trust/tools.ts'
import { makeDir, makeWorld } from './tools.ts'

const refused = {
  code: 'cannot-read',
  exit: 69,
  message: expect.stringContaining('it is not a file') as string,
}

describe.skipIf(!has('mkfifo'))('a pipe', () => {
  it.each([
    'repo/metadata/1.root.json',
    'repo/metadata/2.root.json',
    'repo/metadata/timestamp.json',
    'repo/metadata/1.snapshot.json',
    'repo/metadata/1.targets.json',
    'keys/root.json',
  ])('in the place of %s is refused, and not waited for', async (file) => {
    const { dir, repo, keyring } = await makeWorld()
    await rm(path.join(dir, file), { force: true })
    await makePipes(path.join(dir, file))
    await expect(refresh(repo, { keyring })).rejects.toMatchObject(refused)
  })

  it('in the place of a key or of what waits for signatures is refused too', async () => {
    const dir = await makeDir()
    const keys = path.join(dir, 'keys')
    await mkdir(keys)
    const [pem, waiting] = [path.join(keys, 'root.pem'), path.join(dir, '2.root.json')]
    await makePipes(pem, waiting)
    await expect(initRepository(path.join(dir, 'repo'), { keys })).rejects.toMatchObject(refused)
    await expect(makeKeyFiles(pem, {})).rejects.toMatchObject(refused)
    await expect(readPendingFile(waiting)).rejects.toMatchObject(refused)
    expect((await readKeyring([keys])).troubles).toMatchObject([refused])
  })

  it('where a public half should be is replaced', async () => {
    const dir = await makeDir()
    await makePipes(path.join(dir, 'root.pub'))
    expect((await makeKeyFiles(path.join(dir, 'root.pem'), {})).made).toBe(true)
  })
})
