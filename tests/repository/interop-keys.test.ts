// A client of another house, tuf-js, and ours follow every change of keys from the first root on.
import { expect, it } from 'vitest'
import { binNames, mostInOneFile } from '../../src/repository/roles/bins.ts'
import { delegate, undelegate } from '../../src/repository/roles/delegate.ts'
import { readKeyring } from '../../src/repository/keys/keyring.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { change, makeClients, makePerson, rotate } from './ceremony-tools.ts'
import {
  checkRepository,
  joinKeyrings,
  makeWorld,
  publicationOf,
  publishFiles,
  readDraft,
  writePackage,
  type World,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'

async function put(world: World, file: string, ...places: string[]): Promise<unknown> {
  const keyring = await readKeyring(places.length > 0 ? places : [world.keys])
  const [item] = await publishFiles({ ...world, keyring }, [await writePackage(world.dir, file)])
  return item
}

it('follows rotations of every role, one after the other', { timeout: 60_000 }, async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  await clients.demand(one, true)
  const roles = ['root', 'targets', 'timestamp', 'snapshot', 'online', 'root', 'targets']
  for (const [i, role] of roles.entries()) {
    const changed = await rotate(world, role)
    expect(changed).toMatchObject({ changed: true, version: i + 2 })
    // The first online key is of use until both roles have another.
    expect(changed.retired).toHaveLength(role === 'timestamp' ? 0 : role === 'online' ? 2 : 1)
    await clients.demand(one, true)
    const next = `app-1.${i + 1}.0-linux-amd64`
    await put(world, next)
    await clients.demand(next, true)
  }
  await refresh(world.repo, { keyring: await readKeyring([world.keys]) })
  await clients.demand(one, true)
  expect(await checkRepository(world.repo)).toHaveLength(roles.length + 1)
})

it('follows keys that are added and removed, and thresholds', { timeout: 60_000 }, async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  await clients.demand(one, true)
  for (const role of ['root', 'targets', 'online']) {
    const other = await makePerson(world, `other-${role}`)
    const both = { with: [other.keyring] }
    await change(world, role, { add: [other.key], threshold: 2 }, both)
    await clients.demand(one, true)
    // Two of two, then the new one alone.
    const [first = ''] = (await change(world, role, {}, both)).keys
    expect(await change(world, role, { remove: [first.slice(0, 10)], threshold: 1 }, both)).toMatchObject({
      changed: true,
      keys: [other.key.id],
      threshold: 1,
    })
    await clients.demand(one, true)
    const keyring = joinKeyrings(await readKeyring([world.keys]), other.keyring)
    await change(world, role, { add: [other.key], remove: [] }, both)
    await change(world, role, { remove: true }, { ...both, making: { directory: world.keys, type: 'ecdsa' } })
    await refresh(world.repo, { keyring: joinKeyrings(keyring, await readKeyring([world.keys])) })
    await clients.demand(one, true)
  }
})

it('finds what teams sign, and no longer what was taken back', { timeout: 60_000 }, async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  const [tools, games] = [await makePerson(world, 'tools'), await makePerson(world, 'games')]
  const owner = await readKeyring([world.keys])
  const toTools = { name: 'tools', keys: [tools.key], paths: ['tools-*', 'shared-*'] }
  expect(await delegate(world.repo, toTools, { keyring: owner })).toMatchObject({
    changed: true,
    pending: true,
  })
  // Nobody waits for the team: what is published meanwhile is there.
  await put(world, 'app-2.0.0-linux-amd64')
  await clients.demand('app-2.0.0-linux-amd64', true)
  await clients.demand('tools-1.0.0-linux-amd64', false)

  const item = await put(world, 'tools-1.0.0-linux-amd64', tools.path)
  expect(publicationOf(item as never)).toMatchObject({ role: 'tools', pending: true, missing: 0 })
  await clients.demand('tools-1.0.0-linux-amd64', false)
  await refresh(world.repo, { keyring: owner })
  await clients.demand('tools-1.0.0-linux-amd64', true)

  // With the team's key at hand it stands at once.
  const toGames = { name: 'games', keys: [games.key], paths: ['games-*', 'shared-*'], terminating: true }
  const keyring = joinKeyrings(owner, games.keyring)
  const made = await delegate(world.repo, toGames, { keyring })
  expect(made).toMatchObject({ changed: true })
  expect(made).not.toHaveProperty('pending')
  await put(world, 'shared-1.0.0-linux-amd64', games.path)
  await refresh(world.repo, { keyring: owner })
  await clients.demand('shared-1.0.0-linux-amd64', true)
  expect((await (await readDraft(world.repo)).find('shared-1.0.0-linux-amd64'))?.role).toBe('games')

  const refused = await put(world, 'app-3.0.0-linux-amd64', tools.path)
  expect(refused).toMatchObject({
    error: { code: 'usage', message: expect.stringContaining('only tools-*') as string },
  })

  await undelegate(world.repo, 'games', { keyring: owner })
  await clients.demand('shared-1.0.0-linux-amd64', false)
  await clients.demand('tools-1.0.0-linux-amd64', true)
  // Taken up again it starts from nothing: its old word is not what counts.
  await delegate(world.repo, toGames, { keyring })
  await clients.demand('shared-1.0.0-linux-amd64', false)
})

it('finds its way through bins and teams together', { timeout: 120_000 }, async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  const names = Array.from({ length: mostInOneFile }, (_, i) => `app-1.${i}.0-linux-amd64`)
  const files = await Promise.all(names.map((name) => writePackage(world.dir, name)))
  await publishFiles(world, [...files, await writePackage(world.dir, 'tools-0.9.0-linux-amd64')])
  await clients.demand('app-1.7.0-linux-amd64', true)
  const before = (await readDraft(world.repo)).versionOf('bin-07')
  expect(before).toBeGreaterThan(0)

  const tools = await makePerson(world, 'tools')
  const keyring = joinKeyrings(world.keyring, tools.keyring)
  await delegate(world.repo, { name: 'tools', keys: [tools.key], paths: ['tools-*'] }, { keyring })
  const draft = await readDraft(world.repo)
  const { delegations } = (await draft.read('targets')) ?? {}
  expect(delegations).not.toHaveProperty('succinct_roles')
  expect(binNames(delegations)).toHaveLength(256)
  expect(delegations?.roles?.[0]?.name).toBe('tools')
  expect(draft.versionOf('bin-07')).toBe(before)
  // What was published before there was the team stands above it.
  expect((await draft.find('tools-0.9.0-linux-amd64'))?.role).toBe('targets')
  for (const file of ['app-1.7.0-linux-amd64', 'tools-0.9.0-linux-amd64']) await clients.demand(file, true)

  await put(world, 'tools-1.0.0-linux-amd64', tools.path, world.keys)
  await put(world, 'app-9.0.0-linux-amd64')
  for (const file of ['tools-1.0.0-linux-amd64', 'app-9.0.0-linux-amd64']) await clients.demand(file, true)
  await clients.demand('app-8.0.0-linux-amd64', false)

  // New keys of targets are new keys of the bins, and of no team.
  await rotate(world, 'targets', tools.keyring)
  for (const file of ['tools-1.0.0-linux-amd64', 'app-9.0.0-linux-amd64', 'app-1.7.0-linux-amd64'])
    await clients.demand(file, true)
  await undelegate(world.repo, 'tools', { keyring: await readKeyring([world.keys]) })
  await clients.demand('tools-1.0.0-linux-amd64', false)
  await clients.demand('app-1.9.0-linux-amd64', true)
})
