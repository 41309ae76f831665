import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { conclude } from '../../src/repository/conclude.ts'
import { holdRepository } from '../../src/repository/hold.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { yank } from '../../src/repository/packages/yank.ts'
import {
  checkRepository,
  createEar,
  demandTwo,
  filesIn,
  joinKeyrings,
  makeWorld,
  metadataOf,
  pickKeyring,
  publicationOf,
  publishFiles,
  writePackage,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'

it('prepares what lacks a signature, adds up, and commits it all when the last one signs', async () => {
  const world = await makeWorld()
  const second = await demandTwo(world)
  const both = joinKeyrings(world.keyring, second)
  const before = await metadataOf(world.repo)
  const ear = createEar()
  const [first] = await publishFiles(world, [await writePackage(world.dir, one)], { observer: ear })
  expect(publicationOf(first)).toMatchObject({
    changed: true,
    pending: true,
    missing: 1,
    awaits: ['targets'],
  })
  expect(ear.said.join()).toContain('it takes 1 more signatures of targets')
  expect(await metadataOf(world.repo)).toEqual(before)
  expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual(['pending/2.targets.json'])

  // The same again waits on, and something else joins it.
  const [again] = await publishFiles(world, [path.join(world.dir, one)])
  expect(publicationOf(again)).toMatchObject({ changed: false, pending: true, missing: 1 })
  await publishFiles(world, [await writePackage(world.dir, two)], { observer: ear })
  expect(ear.said.join()).toContain('adds to what waits')
  expect(await checkRepository(world.repo)).toEqual([])

  const [last] = await yank({ to: world.repo, keyring: both, name: 'app', version: '1.0.0' })
  expect(last).toMatchObject({ publication: { changed: true, version: 2 } })
  expect(await checkRepository(world.repo)).toEqual([two])
  const files = await filesIn(world.repo)
  expect(files).toContain(two)
  expect(files).not.toContain(one)
  expect(files.filter((file) => file.startsWith('.gupper'))).toEqual([])
})

it('waits for the online key, and refresh commits it', async () => {
  const world = await makeWorld()
  const offline = await pickKeyring(world, 'targets')
  const [item] = await publishFiles({ ...world, keyring: offline }, [await writePackage(world.dir, one)])
  expect(publicationOf(item)).toMatchObject({ pending: true, missing: 0, awaits: ['snapshot', 'timestamp'] })
  expect(await checkRepository(world.repo)).toEqual([])
  expect(await filesIn(world.repo)).not.toContain(one)
  const outcome = await refresh(world.repo, { keyring: await pickKeyring(world, 'online') })
  expect([...outcome.committed]).toEqual(['targets'])
  expect(await checkRepository(world.repo)).toEqual([one])
  expect(await filesIn(world.repo)).toContain(one)
  expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual([])
})

it('refresh signs only the timestamp, and the snapshot when half of its life is over', async () => {
  const world = await makeWorld()
  const keyring = await pickKeyring(world, 'online')
  await refresh(world.repo, { keyring })
  expect(Object.keys(await metadataOf(world.repo))).not.toContain('2.snapshot.json')
  const now = new Date(Date.now() + 16 * 86_400_000)
  await refresh(world.repo, { keyring, now })
  const names = Object.keys(await metadataOf(world.repo))
  expect(names).toContain('2.snapshot.json')
  expect(names).not.toContain('2.targets.json')
  const ear = createEar()
  await refresh(world.repo, { keyring, now: new Date(Date.now() + 400 * 86_400_000), observer: ear })
  expect(ear.said).toEqual([
    expect.stringMatching(/^warn: the role root has expired/) as string,
    expect.stringMatching(/^warn: the role targets has expired/) as string,
  ])
  await expect(refresh(world.repo, { keyring: await pickKeyring(world, 'root') })).rejects.toMatchObject({
    exit: 78,
  })
})

it('gives targets to the keys that root names now, once they are at hand', async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  const both = joinKeyrings(world.keyring, await demandTwo(world))
  await refresh(world.repo, { keyring: both })
  expect(Object.keys(await metadataOf(world.repo))).toContain('3.targets.json')
  expect(await checkRepository(world.repo)).toEqual([one])
  await refresh(world.repo, { keyring: both })
  expect(Object.keys(await metadataOf(world.repo))).not.toContain('4.targets.json')
})

it('does nothing for a draft in which nothing changed', async () => {
  const world = await makeWorld()
  const before = await metadataOf(world.repo)
  await holdRepository(world.repo, { keyring: world.keyring }, (draft) => conclude(draft))
  expect(await metadataOf(world.repo)).toEqual(before)
})

it('does not wait for a pipe that lies where signatures are waited for', async () => {
  const world = await makeWorld()
  const pending = path.join(world.repo, '.gupper/pending')
  await mkdir(pending, { recursive: true })
  // A directory stands for what is no file: not every machine makes pipes.
  await mkdir(path.join(pending, '2.targets.json'))
  await expect(refresh(world.repo, { keyring: world.keyring })).rejects.toMatchObject({
    code: 'cannot-read',
    message: `cannot read ${path.join(pending, '2.targets.json')}: it is not a file`,
  })
})
