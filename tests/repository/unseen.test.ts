import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { agreementOf, signRepository } from '../../src/repository/pending/sign.ts'
import { readWaiting } from '../../src/repository/pending/read.ts'
import { refresh } from '../../src/repository/refresh.ts'
import type { Envelope, Root, Targets } from '../../src/trust/tuf/model.ts'
import { change, makePerson, rotate } from './ceremony-tools.ts'
import { checkRepository, makeWorld, publishFiles, readDraft, writePackage, type World } from './tools.ts'

const lent = { code: 'conflict', exit: 65 }
const good = 'good-1.0.0-linux-amd64'
const evil = 'evil-1.0.0-linux-amd64'

/** Lets something wait, as somebody does who can write to the repository and has no key. */
async function leave<T extends Root | Targets>(
  { repo }: World,
  role: string,
  { signed }: Envelope<T>,
  edit: (next: T) => void,
): Promise<string> {
  const pending = path.join(repo, '.gupper/pending')
  const next = structuredClone(signed)
  next.version++
  edit(next)
  await mkdir(pending, { recursive: true })
  const file = path.join(pending, `${next.version}.${role}.json`)
  await writeFile(file, writeEnvelope({ signed: next, signatures: [] }))
  return file
}

async function leaveEvil(world: World): Promise<string> {
  const top = await (await readDraft(world.repo)).readCommitted('targets')
  if (top === undefined) throw new Error('no targets')
  return leave(world, 'targets', top, ({ targets }) => {
    targets[evil] = { length: 4, hashes: { sha256: 'a'.repeat(64) }, custom: {} }
  })
}

it('publishes nothing on top of what waits and none of its keys has signed: that would be signed along', async () => {
  const world = await makeWorld()
  const file = await leaveEvil(world)
  const files = [await writePackage(world.dir, good)]
  expect(await publishFiles(world, files)).toMatchObject([
    {
      error: {
        ...lent,
        message:
          'something waits for signatures in targets that none of your keys has signed, and this would sign it too',
        hint: `read and sign it first: gupper trust sign ${world.repo} --keys DIR; or take it away: rm '${file}'`,
      },
    },
  ])
  expect(await checkRepository(world.repo)).toEqual([])
})

it('renews nothing on top of it, and goes on with the rest', async () => {
  const world = await makeWorld()
  await leaveEvil(world)
  const before = (await readDraft(world.repo)).committed.timestamp.signed.version
  const now = new Date(Date.now() + 300 * 86_400_000)
  await refresh(world.repo, { keyring: world.keyring, now })
  const draft = await readDraft(world.repo)
  expect(draft.committed.timestamp.signed.version).toBeGreaterThan(before)
  expect((await draft.readCommitted('targets'))?.signed.version).toBe(1)
  expect(await checkRepository(world.repo)).toEqual([])
})

it('changes no keys on top of a root that waits and none of its keys has signed', async () => {
  const world = await makeWorld()
  const [bob, mallory] = [await makePerson(world, 'bob'), await makePerson(world, 'mallory')]
  const { root } = (await readDraft(world.repo)).committed
  const keys = await readdir(world.keys)
  await leave(world, 'root', root, ({ keys, roles }) => {
    keys[mallory.key.id] = mallory.key.key
    roles.targets.keyids.push(mallory.key.id)
  })
  await expect(change(world, 'root', { add: [bob.key] })).rejects.toMatchObject(lent)
  await expect(rotate(world, 'targets')).rejects.toMatchObject(lent)
  // Neither one that has in it just what is wanted, and more.
  await expect(change(world, 'targets', { add: [mallory.key] })).rejects.toMatchObject(lent)
  expect((await readDraft(world.repo)).committed.root.signed.version).toBe(1)
  // And no key was left behind that was made for it.
  expect(await readdir(world.keys)).toEqual(keys)
})

it('one key of two cannot have the other sign along: that one reads and signs it first', async () => {
  const world = await makeWorld()
  const bob = await makePerson(world, 'bob')
  await change(world, 'targets', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  await publishFiles(world, [await writePackage(world.dir, evil)])
  const own = [await writePackage(world.dir, good)]
  const asBob = { ...world, keyring: bob.keyring }
  expect(await publishFiles(asBob, own)).toMatchObject([{ error: lent }])
  expect(await checkRepository(world.repo)).toEqual([])
  // Its own owner may add to it.
  await publishFiles(world, [await writePackage(world.dir, 'more-1.0.0-linux-amd64')])
  const waiting = await readWaiting(world.repo)
  await signRepository(world.repo, [], agreementOf(waiting), { keyring: bob.keyring })
  await publishFiles(asBob, own)
  expect(await checkRepository(world.repo)).not.toContain(good)
})
