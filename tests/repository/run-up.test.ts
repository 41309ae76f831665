// Whoever has stolen a key can say the highest version there is; nothing newer can follow until the key is replaced.
import { readdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { commit, prepare, type Change } from '../../src/repository/commit.ts'
import { describe, writeEnvelope } from '../../src/repository/envelope.ts'
import { readKeyring, type Keyring } from '../../src/repository/keys/keyring.ts'
import { layoutOf } from '../../src/repository/layout.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { signWith } from '../../src/repository/sign.ts'
import type { Snapshot, Targets, Timestamp } from '../../src/trust/tuf/model.ts'
import { change, makeClients, makePerson, rotate } from './ceremony-tools.ts'
import { makeTeam, speak } from './team-tools.ts'
import {
  createEar,
  joinKeyrings,
  makeWorld,
  publicationOf,
  publishFiles,
  readDraft,
  writePackage,
  type World,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'
const three = 'app-1.2.0-linux-amd64'
const version = Number.MAX_SAFE_INTEGER

async function put(world: World, file: string, ...others: Keyring[]) {
  const keyring = joinKeyrings(await readKeyring([world.keys]), ...others)
  const [item] = await publishFiles({ ...world, keyring }, [await writePackage(world.dir, file)])
  return publicationOf(item)
}

async function refreshNow({ repo, keys }: World): Promise<unknown> {
  return refresh(repo, { keyring: await readKeyring([keys]) })
}

/** Commits what a thief signs with keys of the world: a role, a snapshot, or just a timestamp of the highest version. */
async function runUp(world: World, role: string, keyring = world.keyring): Promise<void> {
  const draft = (await readDraft(world.repo)).with({ keyring })
  const { committed } = draft
  const sign = <T extends Snapshot | Targets | Timestamp>(
    signed: T,
    authority = draft.authorityIn(undefined, role),
  ) => signWith({ signed: { ...signed, version }, signatures: [] }, authority, keyring)
  if (role === 'timestamp' || role === 'snapshot') {
    const bytes = writeEnvelope(sign(committed.snapshot.signed))
    const meta =
      role === 'timestamp' ? committed.timestamp.signed.meta : { 'snapshot.json': describe(version, bytes) }
    const timestamp = writeEnvelope(sign({ ...committed.timestamp.signed, meta }))
    const files = role === 'timestamp' ? [] : [{ role, version, bytes }]
    await commit(layoutOf(world.repo), { files, timestamp })
    return
  }
  const said = await draft.readCommitted(role)
  if (said === undefined) throw new Error(`${role} says nothing`)
  const next = sign(said.signed, await draft.authorityOf(role))
  const change: Change = await prepare(draft, new Map([[role, next]]))
  await commit(layoutOf(world.repo), change)
}

for (const role of ['timestamp', 'snapshot'])
  it(`recovers from a ${role} that was run up as far as numbers go, by rotating the online key`, async () => {
    const world = await makeWorld()
    const clients = await makeClients(world)
    await put(world, one)
    await clients.demand(one, true)
    await runUp(world, role)
    await clients.demand(one, true)
    await expect(refreshNow(world)).rejects.toMatchObject({
      code: 'untrusted',
      message: expect.stringContaining('was run up') as string,
      hint: expect.stringContaining(`trust rotate online ${world.repo}`) as string,
    })
    await rotate(world, 'online')
    expect(await readdir(world.keys)).toContain('online.2.pem')
    await clients.demand(one, true)
    await refreshNow(world)
    await put(world, two)
    await clients.demand(two, true)
    expect((await readDraft(world.repo)).versionOf('timestamp')).toBeLessThan(100)
  })

it('recovers from targets that were run up, by rotating their key and then the online key', async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  await put(world, one)
  await runUp(world, 'targets')
  await clients.demand(one, true)
  await refreshNow(world)
  await expect(put(world, two)).rejects.toMatchObject({
    code: 'untrusted',
    hint: expect.stringContaining(`trust rotate targets ${world.repo}`) as string,
  })
  await rotate(world, 'targets')
  await expect(clients.demand(one, true)).rejects.toThrow(/was seen before/)
  await rotate(world, 'online')
  await put(world, two)
  await put(world, three)
  for (const file of [one, two, three]) await clients.demand(file, true)
})

it('recovers from a team that was run up, by rotating its key and then the online key', async () => {
  const world = await makeWorld()
  const clients = await makeClients(world)
  const team = await makeTeam(world, 'team')
  await put(world, 'team-1.0.0-linux-amd64', team.keyring)
  await runUp(world, 'team', joinKeyrings(world.keyring, team.keyring))
  await clients.demand('team-1.0.0-linux-amd64', true)
  await expect(put(world, 'team-1.1.0-linux-amd64', team.keyring)).rejects.toMatchObject({
    hint: expect.stringContaining(`trust rotate team ${world.repo}`) as string,
  })
  await put(world, one)
  const ear = createEar()
  const next = await makePerson(world, 'next')
  const keyring = joinKeyrings(world.keyring, next.keyring)
  await change(world, 'team', { add: [next.key], remove: true }, { with: [next.keyring], observer: ear })
  expect(ear.said).toContainEqual(
    expect.stringMatching(/^warn: clients that have seen the version that team/),
  )
  await rotate(world, 'online')
  await put(world, 'team-1.1.0-linux-amd64', keyring)
  await clients.demand('team-1.0.0-linux-amd64', true)
  await clients.demand('team-1.1.0-linux-amd64', true)
})

it('takes from a team no version that leaves others out', async () => {
  const world = await makeWorld()
  const team = await makeTeam(world, 'team')
  const { pending } = layoutOf(world.repo)
  await speak(world, 'team', team, (next) => (next.version = version), pending)
  await refreshNow(world)
  expect((await readDraft(world.repo)).versionOf('team')).toBe(1)
})

it('leaves no key where a rotation fails', async () => {
  const world = await makeWorld()
  await put(world, one)
  const before = (await readdir(world.keys)).sort()
  await runUp(world, 'snapshot')
  // The snapshot goes on being signed by the key that was stolen.
  await expect(rotate(world, 'timestamp')).rejects.toMatchObject({ code: 'untrusted' })
  expect((await readdir(world.keys)).sort()).toEqual(before)
  await expect(rotate(world, 'nobody')).rejects.toMatchObject({ code: 'usage' })
  expect((await readdir(world.keys)).sort()).toEqual(before)
})
