import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { delegate } from '../../src/repository/roles/delegate.ts'
import { describeChange } from '../../src/repository/pending/describe.ts'
import { readKeyring } from '../../src/repository/keys/keyring.ts'
import { defaultLives } from '../../src/repository/lives.ts'
import { readWaiting } from '../../src/repository/pending/read.ts'
import { agreementOf, signRepository } from '../../src/repository/pending/sign.ts'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { changeRole } from '../../src/repository/roles/role-change.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { signWith } from '../../src/repository/sign.ts'
import { yank } from '../../src/repository/packages/yank.ts'
import { change, makeClients, makePerson, rotate, type Person } from './ceremony-tools.ts'
import {
  createEar,
  filesIn,
  joinKeyrings,
  makeWorld,
  metadataOf,
  pickKeyring,
  publicationOf,
  publishFiles,
  readDraft,
  writePackage,
  type World,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'

async function put(world: World, file: string, keyring = world.keyring) {
  const [item] = await publishFiles({ ...world, keyring }, [await writePackage(world.dir, file)])
  return publicationOf(item)
}

async function sign(world: World, ...people: Pick<Person, 'keyring'>[]) {
  const keyring = joinKeyrings(...people.map((person) => person.keyring))
  return signRepository(world.repo, [], agreementOf(await readWaiting(world.repo)), { keyring })
}

it('keeps every root for ever, however many there are', { timeout: 60_000 }, async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  await clients.demand(one, true)
  for (let version = 2; version <= 20; version++) expect((await rotate(world, 'root')).version).toBe(version)
  const names = await readdir(path.join(world.repo, 'metadata'))
  expect(names.filter((name) => name.endsWith('.root.json'))).toHaveLength(20)
  await clients.demand(one, true)
})

it('recovers clients from a fast-forward attack by another online key', async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  // Whoever has stolen the online key says enormous versions, and clients believe it.
  const good = await metadataOf(world.repo)
  const { committed } = await readDraft(world.repo)
  const signed = { ...committed.timestamp.signed, version: 1_000_000 }
  const { root } = committed
  const authority = { role: root.signed.roles.timestamp, keys: root.signed.keys }
  const file = path.join(world.repo, 'metadata/timestamp.json')
  await writeFile(file, writeEnvelope(signWith({ signed, signatures: [] }, authority, world.keyring)))
  await clients.demand(one, true)
  await writeFile(file, good['timestamp.json'] ?? '')
  await expect(clients.demand(one, true)).rejects.toThrow(/1000000/)
  await rotate(world, 'online')
  await clients.demand(one, true)
  await put(world, two, await readKeyring([world.keys]))
  await clients.demand(two, true)
})

it('gives a stolen online key no say after its rotation', async () => {
  const world = await makeWorld()
  await put(world, one)
  const stolen = world.keyring
  const thief = await makePerson(world, 'online-2')
  // The old key is not at hand: root and the new one are enough.
  const offline = await pickKeyring(world, 'root')
  const changed = await changeRole(
    world.repo,
    'online',
    { add: [thief.key], remove: true },
    { keyring: joinKeyrings(offline, thief.keyring) },
  )
  expect(changed).toMatchObject({ changed: true, version: 2 })
  const clients = await makeClients(world)
  await clients.demand(one, true)
  await expect(refresh(world.repo, { keyring: stolen })).rejects.toMatchObject({ code: 'config' })
})

it('makes a change of the targets key with what was published while it waited', async () => {
  const world = await makeWorld()
  const [ann, bob] = [world.keyring, await makePerson(world, 'bob')]
  await change(world, 'root', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  const clients = await makeClients(world)
  const next = await makePerson(world, 'targets-2')
  const changed = await change(world, 'targets', { add: [next.key], remove: true }, { with: [next.keyring] })
  expect(changed).toMatchObject({ pending: true, missing: 1, retired: [] })
  expect(await filesIn(path.join(world.repo, '.gupper/pending'))).toEqual(['2.targets.json', '3.root.json'])

  // The old key publishes on; what had been signed for the new one is void by that.
  expect(await put(world, one, ann)).not.toHaveProperty('pending')
  await clients.demand(one, true)
  const [result] = await sign(world, bob)
  expect(result).toMatchObject({ role: 'root', missing: 0, committed: false })
  await clients.demand(one, true)
  await refresh(world.repo, { keyring: joinKeyrings(ann, next.keyring) })
  expect((await readDraft(world.repo)).versionOf('root')).toBe(3)
  await clients.demand(one, true)
  expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual([])
})

it('has targets signed anew where one key, which was still enough, went past what waited for two', async () => {
  const world = await makeWorld()
  const [ann, bob] = [world.keyring, await makePerson(world, 'bob')]
  await change(world, 'targets', { add: [bob.key], threshold: 2 })
  expect(await put(world, one, ann)).not.toHaveProperty('pending')
  const pending = path.join(world.repo, '.gupper/pending')
  expect(await filesIn(pending)).toEqual(['2.root.json'])

  await refresh(world.repo, { keyring: ann })
  expect(await filesIn(pending)).toEqual(['2.root.json', '3.targets.json'])
  await sign(world, bob)
  await refresh(world.repo, { keyring: ann })
  expect((await readDraft(world.repo)).versionOf('root')).toBe(2)
  await (await makeClients(world)).demand(one, true)
  expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual([])
})

it('renews a root of one key by itself, and of several with all their signatures', async () => {
  const world = await makeWorld({ lives: { ...defaultLives, root: 86_400_000 } })
  const keyring = world.keyring
  expect([...(await refresh(world.repo, { keyring })).committed]).toEqual(['root'])
  const { root } = (await readDraft(world.repo)).committed
  expect(root.signed.version).toBe(2)
  expect([...(await refresh(world.repo, { keyring })).committed]).toEqual([])

  const bob = await makePerson(world, 'bob')
  await change(world, 'root', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  const now = new Date(Date.now() + 300 * 86_400_000)
  await refresh(world.repo, { keyring, now })
  await refresh(world.repo, { keyring, now })
  const [waiting] = await readWaiting(world.repo)
  expect(waiting && describeChange(waiting.envelope, waiting.before)[0]).toBe(
    'the same keys and thresholds as before',
  )
  expect(await sign(world, bob)).toMatchObject([{ role: 'root', version: 4, missing: 0, committed: true }])
})

it('adds up two changes of root that wait, and has all of it signed anew', async () => {
  const world = await makeWorld()
  const [bob, eve, more] = [
    await makePerson(world, 'bob'),
    await makePerson(world, 'eve'),
    await makePerson(world, 'more'),
  ]
  await change(world, 'root', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  await change(world, 'root', { add: [eve.key] })
  const again = await change(world, 'root', { add: [eve.key] })
  expect(again).toMatchObject({ changed: false, pending: true, missing: 1 })
  await change(world, 'targets', { add: [more.key] }, { with: [bob.keyring] })
  const { roles } = (await readDraft(world.repo)).committed.root.signed
  expect(roles.root.keyids).toContain(eve.key.id)
  expect(roles.targets.keyids).toContain(more.key.id)
})

it('refuses to sign what was changed while it was read', async () => {
  const world = await makeWorld()
  const bob = await makePerson(world, 'bob')
  await change(world, 'root', { add: [bob.key], threshold: 2 })
  const agreed = agreementOf(await readWaiting(world.repo))
  await change(world, 'online', { add: [bob.key] })
  const signing = signRepository(world.repo, [], agreed, { keyring: bob.keyring })
  await expect(signing).rejects.toMatchObject({ code: 'conflict', exit: 65 })
  expect((await readDraft(world.repo)).versionOf('root')).toBe(1)
})

it('tells what a change would do in plain words', async () => {
  const world = await makeWorld()
  const [bob, team] = [await makePerson(world, 'bob'), await makePerson(world, 'team')]
  await put(world, one)
  await change(world, 'targets', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  const owner = await readKeyring([world.keys])
  await put(world, two, owner)
  await yank({ to: world.repo, keyring: owner, name: 'app', version: '1.0.0' })
  const ear = createEar()
  const paths = ['team-*']
  const delegation = { name: 'team', keys: [team.key], paths }
  await delegate(world.repo, delegation, { keyring: joinKeyrings(owner, team.keyring), observer: ear })
  const waiting = (await readWaiting(world.repo)).find(({ role }) => role === 'targets')
  const lines = waiting && describeChange(waiting.envelope, waiting.before)
  expect(lines).toEqual([
    `the team team gets the key ${team.key.id.slice(0, 8)} (ed25519)`,
    'the team team needs 1 of its 1 key',
    'the team team may sign team-*',
    `yanks the package ${one}`,
    expect.stringMatching(/^adds the package app-1\.1\.0-linux-amd64 \(sha256 [0-9a-f]{16}…\)$/),
    expect.stringMatching(/^it stands until 20/),
  ])
  const results = await sign(world, bob, { keyring: owner })
  expect(results.map(({ role, committed }) => [role, committed]).sort()).toEqual([
    ['targets', true],
    ['team', true],
  ])
})

it('has a file that lost its last signature signed by nobody else', async () => {
  const world = await makeWorld()
  const [bob, eve] = [await makePerson(world, 'bob'), await makePerson(world, 'eve')]
  await change(world, 'root', { add: [bob.key], threshold: 2 })
  await expect(sign(world, eve)).rejects.toMatchObject({ code: 'config' })
  const file = path.join(world.repo, '.gupper/pending/2.root.json')
  const text = await readFile(file, 'utf8')
  // Not even the keys that travel with the file make a stranger's signature count.
  await writeFile(file, text.replaceAll('"gupper"', '"other"'))
  await expect(sign(world, eve)).rejects.toMatchObject({ code: 'config' })
  expect(await sign(world, bob)).toMatchObject([{ committed: true }])
})

it('lets a team renew what it signed, with its keys alone', async () => {
  const world = await makeWorld()
  const team = await makePerson(world, 'team')
  const delegation = { name: 'team', keys: [team.key], paths: ['team-*'] }
  await delegate(world.repo, delegation, { keyring: joinKeyrings(world.keyring, team.keyring) })
  const now = new Date(Date.now() + 200 * 86_400_000)
  await expect(refresh(world.repo, { keyring: team.keyring })).rejects.toMatchObject({ code: 'config' })
  const { waiting } = await refresh(world.repo, { keyring: team.keyring, now })
  expect([...waiting]).toEqual([['team', 0]])
  await refresh(world.repo, { keyring: await pickKeyring(world, 'online'), now })
  expect((await readDraft(world.repo)).versionOf('team')).toBe(2)
})
