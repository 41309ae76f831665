import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { readKeyring } from '../../src/repository/keys/keyring.ts'
import { describeDoubt, readCarried, signerOf } from '../../src/repository/pending/carried.ts'
import { describeChange } from '../../src/repository/pending/describe.ts'
import { readWaiting } from '../../src/repository/pending/read.ts'
import { agreementOf, signFiles, signRepository } from '../../src/repository/pending/sign.ts'
import { delegate } from '../../src/repository/roles/delegate.ts'
import { signWith, type Authority } from '../../src/repository/sign.ts'
import type { Envelope, Root, Targets } from '../../src/trust/tuf/model.ts'
import { change, makePerson, type Person } from './ceremony-tools.ts'
import { joinKeyrings, makeWorld, publishFiles, readDraft, writePackage, type World } from './tools.ts'

const refused = { code: 'untrusted', exit: 77 }

/** A file that waits, as somebody writes it who has no key. */
async function forge(dir: string, name: string, signed: Root | Targets, gupper: object): Promise<string> {
  await mkdir(dir, { recursive: true })
  const file = path.join(dir, name)
  await writeFile(file, writeEnvelope({ signed, signatures: [], gupper }))
  return file
}

async function makeTwo(): Promise<{ world: World; bob: Person; mallory: Person; pending: string }> {
  const world = await makeWorld()
  const [bob, mallory] = [await makePerson(world, 'bob'), await makePerson(world, 'mallory')]
  await change(world, 'root', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  return { world, bob, mallory, pending: path.join(world.repo, '.gupper/pending') }
}

function nextOf<T extends Root | Targets>({ signed }: Envelope<T>, edit: (next: T) => void): T {
  const next = structuredClone(signed)
  next.version++
  edit(next)
  return next
}

const authorityOf = ({ signed }: Envelope<Root>, role: 'root' | 'targets'): Authority => ({
  role: signed.roles[role],
  keys: signed.keys,
})

it('refuses another key under an old id, in a root and in delegations, at home and away', async () => {
  const { world, bob, mallory, pending } = await makeTwo()
  const { committed } = await readDraft(world.repo)
  const [id = ''] = committed.root.signed.roles.targets.keyids
  const next = nextOf(committed.root, (root) => {
    root.keys[id] = mallory.key.key
  })
  const away = await forge(world.dir, '3.root.json', next, { before: committed.root })
  await expect(readCarried(away, signerOf(bob.keyring))).rejects.toMatchObject(refused)
  await expect(signFiles([away], new Set(), bob.keyring)).rejects.toMatchObject(refused)
  await expect(readWaiting(world.repo, [away])).rejects.toMatchObject(refused)
  const home = await forge(pending, '3.root.json', next, {})
  await expect(readWaiting(world.repo)).rejects.toMatchObject(refused)
  await expect(signRepository(world.repo, [], new Set(), { keyring: bob.keyring })).rejects.toMatchObject({
    ...refused,
    message: `what waits in root has another key under the id ${id}`,
  })
  await writeFile(
    home,
    writeEnvelope({ signed: { ...next, keys: committed.root.signed.keys }, signatures: [] }),
  )
  expect(await readWaiting(world.repo)).toHaveLength(1)

  const top = await (await readDraft(world.repo)).readCommitted('targets')
  if (top === undefined) throw new Error('no targets')
  const team = { name: 'team', keyids: [bob.key.id], threshold: 1, terminating: false, paths: ['*'] }
  const delegating = nextOf(top, (targets) => {
    targets.delegations = { keys: { [bob.key.id]: mallory.key.key }, roles: [team] }
  })
  const authorities = [authorityOf(committed.root, 'targets')]
  const file = await forge(world.dir, '2.targets.json', delegating, {
    role: 'targets',
    authorities,
    before: top,
  })
  await expect(readCarried(file, signerOf(world.keyring))).rejects.toMatchObject(refused)
  await expect(readWaiting(world.repo, [file])).rejects.toMatchObject(refused)
})

it('takes ids of another kind where they stand already, as the repository or the signer knows', async () => {
  const { world, bob, mallory } = await makeTwo()
  const { committed } = await readDraft(world.repo)
  const foreign = nextOf(committed.root, (root) => {
    root.keys['a-name'] = mallory.key.key
    root.roles.targets.keyids.push('a-name')
  })
  const both = joinKeyrings(world.keyring, bob.keyring)
  const before = signWith({ signed: foreign, signatures: [] }, authorityOf(committed.root, 'root'), both)
  await writeFile(path.join(world.repo, 'metadata/3.root.json'), writeEnvelope(before))
  const next = nextOf(before, (root) => {
    root.roles.targets.threshold = 2
  })
  const file = await forge(world.dir, '4.root.json', next, { before })
  expect(await readWaiting(world.repo, [file])).toHaveLength(1)
  expect(await readCarried(file, signerOf(bob.keyring))).toMatchObject({ role: 'root' })
  // Whoever has not signed what was there does not know it.
  await expect(readCarried(file, signerOf(mallory.keyring))).rejects.toMatchObject(refused)
})

it('tells a key by what it is, not by its id', async () => {
  const { world, mallory } = await makeTwo()
  const { root } = (await readDraft(world.repo)).committed
  const [id = ''] = root.signed.roles.targets.keyids
  const signed = nextOf(root, (next) => {
    next.keys[id] = mallory.key.key
  })
  expect(describeChange({ signed, signatures: [] }, root)).toContain(
    `targets gets the key ${id.slice(0, 8)} (ed25519)`,
  )
})

it('refuses to compare with another version than the one before', async () => {
  const { world, bob, mallory, pending } = await makeTwo()
  const first = (await readDraft(world.repo)).committed.previous
  if (first === undefined) throw new Error('no first root')
  await change(
    world,
    'targets',
    { add: [mallory.key], remove: true },
    { with: [bob.keyring, mallory.keyring] },
  )
  const { root } = (await readDraft(world.repo)).committed
  const replayed: Root = { ...first.signed, version: root.signed.version + 1 }
  const away = await forge(world.dir, '4.root.json', replayed, { before: first })
  await expect(readCarried(away, signerOf(world.keyring))).rejects.toMatchObject({
    ...refused,
    message: `${away} is version 4 of root, but compares itself with version 1`,
  })
  const bare = await forge(path.join(world.dir, 'bare'), '4.root.json', replayed, {})
  await expect(readCarried(bare, signerOf(world.keyring))).rejects.toMatchObject(refused)

  // At home it is compared with what stands there, whatever the file says.
  const [waiting] = await readWaiting(world.repo, [away])
  expect(waiting && describeChange(waiting.envelope, waiting.before).join('\n')).toMatch(
    /^targets gets the key/m,
  )
  await forge(pending, '5.root.json', { ...replayed, version: 5 }, {})
  await expect(readWaiting(world.repo)).rejects.toMatchObject(refused)
})

it('refuses a root before it that its own keys have not signed', async () => {
  const { world, bob } = await makeTwo()
  const { root } = (await readDraft(world.repo)).committed
  const file = await forge(
    world.dir,
    '3.root.json',
    nextOf(root, () => undefined),
    {
      before: { ...root, signatures: root.signatures.slice(0, 1) },
    },
  )
  await expect(readCarried(file, signerOf(bob.keyring))).rejects.toMatchObject(refused)
})

it('says away from the repository what only the repository can know', async () => {
  const { world, bob, mallory } = await makeTwo()
  const { root } = (await readDraft(world.repo)).committed
  const file = await forge(
    world.dir,
    '3.root.json',
    nextOf(root, () => undefined),
    { before: root },
  )
  for (const [person, said] of [
    [bob, 'compared with version 2 as the file has it, which you have signed: whether it is the newest'],
    [
      mallory,
      'compared with version 2 as the file has it, which none of your keys has signed: whether it is true',
    ],
  ] as const) {
    const signer = signerOf(person.keyring)
    expect(describeDoubt(await readCarried(file, signer), signer)).toEqual([
      `${said} only the repository knows`,
    ])
  }
})

it('refuses a file for a role that its content or its keys contradict', async () => {
  const world = await makeWorld()
  const team = await makePerson(world, 'team')
  const keyring = joinKeyrings(world.keyring, team.keyring)
  await delegate(world.repo, { name: 'team', keys: [team.key], paths: ['team-*'] }, { keyring })
  const draft = await readDraft(world.repo)
  const top = await draft.readCommitted('targets')
  if (top === undefined) throw new Error('no targets')
  const authorities = [authorityOf(draft.committed.root, 'targets')]
  const plain = nextOf(top, () => undefined)
  const read = async (signed: Targets, gupper: object, by = world.keyring) => {
    const file = await forge(world.dir, `${signed.version}.targets.json`, signed, { authorities, ...gupper })
    return readCarried(file, signerOf(by))
  }
  expect(await read(plain, { role: 'targets', before: top })).toMatchObject({ role: 'targets' })
  await expect(read(plain, { role: 'some team', before: top })).rejects.toMatchObject(refused)
  await expect(read(plain, { role: 'some team' })).rejects.toMatchObject(refused)
  const { delegations: _none, ...bare } = plain
  await expect(read(bare, { role: 'some team', before: top })).rejects.toMatchObject(refused)
  await expect(read(bare, { role: 'root' })).rejects.toMatchObject(refused)
  const claimed = { role: { keyids: [team.key.id], threshold: 1 }, keys: { [team.key.id]: team.key.key } }
  const forTargets = { role: 'targets', before: top, authorities: [claimed] }
  await expect(read(plain, forTargets, team.keyring)).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('wants a key for targets that is known as one of team') as string,
  })
  // What nothing contradicts is said to be the file's word alone.
  const waiting = await read({ ...bare, version: 1 }, { role: 'some team' })
  expect(describeDoubt(waiting, signerOf(world.keyring))).toEqual([
    'that it is of "some team" only the file says: a signature counts for targets, and each team, that has its key',
  ])
})

it('still signs what a change of a team and of targets brings along', async () => {
  const { world, bob } = await makeTwo()
  await change(world, 'targets', { add: [bob.key], threshold: 2 }, { with: [bob.keyring] })
  const own = await readKeyring([world.keys])
  await publishFiles({ ...world, keyring: own }, [await writePackage(world.dir, 'app-1.0.0-linux-amd64')])
  const agreed = agreementOf(await readWaiting(world.repo))
  const keyring = joinKeyrings(own, bob.keyring)
  expect(await signRepository(world.repo, [], agreed, { keyring })).toMatchObject([{ committed: true }])
})
