// A client of another house, tuf-js, takes what gupper publishes.
import { expect, it } from 'vitest'
import { mostInOneFile } from '../../src/repository/roles/bins.ts'
import { keyTypes } from '../../src/repository/keys/key-file.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { createForeign, downloadForeign, serve } from './ceremony-tools.ts'
import { checkRepository, makeWorld, publishFiles, writePackage } from './tools.ts'

it.each(keyTypes)('tuf-js downloads what was published with %s keys, and follows', async (type) => {
  const world = await makeWorld({ type })
  const client = await createForeign(world, await serve(world.repo))
  const notes = 'first "line"\nsecond \\ line, with ä and 😀'
  const first = await writePackage(world.dir, 'app-1.0.0-linux-amd64')
  await publishFiles(world, [first], { release: { notes } })
  expect(await downloadForeign(client(), 'app-1.0.0-linux-amd64')).toBe(
    'the bytes of app-1.0.0-linux-amd64\n',
  )
  const info = await client().getTargetInfo('app-1.0.0-linux-amd64')
  expect(info?.custom).toMatchObject({ schema: 1, name: 'app', version: '1.0.0', notes })

  await publishFiles(world, [await writePackage(world.dir, 'app-1.1.0-linux-amd64')])
  await refresh(world.repo, { keyring: world.keyring })
  expect(await downloadForeign(client(), 'app-1.1.0-linux-amd64')).toBe(
    'the bytes of app-1.1.0-linux-amd64\n',
  )
  expect(await downloadForeign(client(), 'app-1.2.0-linux-amd64')).toBeUndefined()
})

it(
  'tuf-js finds its way through hash bins, before and after they are needed',
  { timeout: 60_000 },
  async () => {
    const world = await makeWorld()
    const client = await createForeign(world, await serve(world.repo))
    const names = Array.from({ length: mostInOneFile + 1 }, (_, i) => `app-1.${i}.0-linux-amd64`)
    const files = await Promise.all(names.map((name) => writePackage(world.dir, name)))
    await publishFiles(world, files.slice(0, -1))
    expect(await downloadForeign(client(), 'app-1.7.0-linux-amd64')).toContain('app-1.7.0')
    await publishFiles(world, files.slice(-1))
    expect(await downloadForeign(client(), 'app-1.7.0-linux-amd64')).toContain('app-1.7.0')
    expect(await downloadForeign(client(), names.at(-1) ?? '')).toContain(names.at(-1))
    expect(await downloadForeign(client(), 'other-1.0.0-linux-amd64')).toBeUndefined()
    expect(await checkRepository(world.repo)).toHaveLength(mostInOneFile + 1)
  },
)
