import { mkdir, readdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { from } from '../../src/package/flow.ts'
import { initRepository } from '../../src/repository/init.ts'
import { makeKey } from '../../src/repository/keys/key-file.ts'
import { makeKeyFiles } from '../../src/repository/keys/public-key.ts'
import { publish } from '../../src/repository/packages/publish.ts'
import { packPackage } from '../../src/store/pack.ts'
import { filesIn, makeDir, makeWorld, metadataOf, writePackage } from './tools.ts'

const refused = {
  code: 'usage',
  exit: 64,
  message: expect.stringContaining('inside of what is published') as string,
}

it.each(['keys', 'keys/deeper', '.'])(
  'keys that a link leads into the new repository are not made: link/%s',
  async (way) => {
    const dir = await makeDir()
    const repo = path.join(dir, 'repo')
    await mkdir(repo)
    await symlink('repo', path.join(dir, 'link'))
    await expect(initRepository(repo, { keys: path.join(dir, 'link', way) })).rejects.toMatchObject(refused)
    expect(await readdir(repo)).toEqual([])
  },
)

it('no key is made in any repository, whichever way leads there', async () => {
  const { dir, repo } = await makeWorld()
  await symlink(path.join(repo, 'targets'), path.join(dir, 'link'))
  const before = await filesIn(repo)
  for (const place of ['repo/root9.pem', 'repo/keys/root9.pem', 'link/root9.pem', 'link/a/b/root9.pem'])
    await expect(makeKeyFiles(path.join(dir, place), {})).rejects.toMatchObject(refused)
  const second = { keys: path.join(repo, 'keys') }
  await expect(initRepository(path.join(dir, 'second'), second)).rejects.toMatchObject(refused)
  expect(await filesIn(repo)).toEqual(before)
})

it('keys may lie beside what is installed, and beside a repository', async () => {
  const { dir } = await makeWorld()
  await mkdir(path.join(dir, '.gupper', 'app'), { recursive: true })
  expect((await makeKeyFiles(path.join(dir, 'more', 'root9.pem'), {})).made).toBe(true)
  await initRepository(path.join(dir, 'second'), { keys: path.join(dir, 'more') })
})

it('a private key is neither packed nor published', async () => {
  const world = await makeWorld()
  const pem = makeKey('ed25519').export({ type: 'pkcs8', format: 'pem' })
  const file = await writePackage(world.dir, 'root.pem', pem)
  const options = { name: 'app', version: '1.0.0', into: path.join(world.dir, 'build') }
  await expect(packPackage(file, options)).rejects.toMatchObject({ code: 'bad-package', exit: 65 })
  const before = await metadataOf(world.repo)
  const record = { schema: 1, name: 'root', version: '1.0.0', os: 'any', arch: 'any' } as const
  const items = [{ ...record, file: 'root.pem', path: file }]
  const found = await Array.fromAsync(publish(from(items), { to: world.repo, keyring: world.keyring }))
  expect(found).toMatchObject([
    { error: { code: 'bad-package', message: expect.stringContaining('is a private key') as string } },
  ])
  expect(await metadataOf(world.repo)).toEqual(before)
})
