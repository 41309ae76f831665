// What teams and accidents bring into a repository that clients could not use, or that is not theirs to change.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { commit, prepare } from '../../src/repository/commit.ts'
import { writeJournal } from '../../src/repository/journal.ts'
import { layoutOf, targetPath } from '../../src/repository/layout.ts'
import { yank } from '../../src/repository/packages/yank.ts'
import { readPendingFile } from '../../src/repository/pending/file.ts'
import { agreementOf, signRepository, type SignedResult } from '../../src/repository/pending/sign.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { undelegate } from '../../src/repository/roles/delegate.ts'
import { defaultLives } from '../../src/repository/lives.ts'
import { readStatus } from '../../src/repository/status.ts'
import { openTransport } from '../../src/sources/transport/transport.ts'
import { parseMetadata } from '../../src/trust/tuf/metadata.ts'
import type { Target, Targets } from '../../src/trust/tuf/model.ts'
import { makeClients } from './ceremony-tools.ts'
import { makeTeam, speak } from './team-tools.ts'
import {
  createEar,
  filesIn,
  joinKeyrings,
  makeWorld,
  metadataOf,
  publicationOf,
  publishFiles,
  readDraft,
  writePackage,
  type World,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'
const theirs = 'team-1.0.0-linux-amd64'

async function put(world: World, file: string, keyring = world.keyring) {
  const [item] = await publishFiles({ ...world, keyring }, [await writePackage(world.dir, file)])
  return publicationOf(item)
}

async function bringHome(world: World, file: string): Promise<SignedResult[]> {
  const { keyring } = world
  return signRepository(world.repo, [file], agreementOf([await readPendingFile(file)]), { keyring })
}

function targetOf(bytes: string, custom?: Target['custom']): Target {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { length: Buffer.byteLength(bytes), hashes: { sha256 }, ...(custom && { custom }) }
}

async function loseBytes({ repo }: World, file: string): Promise<void> {
  const dir = path.join(repo, 'targets')
  for (const name of await readdir(dir)) if (name.endsWith(`.${file}`)) await rm(path.join(dir, name))
}

it('offers nothing again whose bytes are gone, until they are published once more', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  await yank({ to: repo, keyring, name: 'app', version: '1.0.0' })
  await loseBytes(world, one)
  const before = await metadataOf(repo)
  const undo = () => yank({ to: repo, keyring, name: 'app', version: '1.0.0', undo: true })
  await expect(undo()).rejects.toMatchObject({
    code: 'not-found',
    exit: 69,
    message: expect.stringContaining(`.${one}`) as string,
    hint: expect.stringContaining('gupper publish') as string,
  })
  expect(await metadataOf(repo)).toEqual(before)
  expect(await filesIn(path.join(repo, '.gupper'))).toEqual([])
  await put(world, one)
  expect(await undo()).toMatchObject([{ publication: { changed: true } }])
  expect(await readFile(path.join(repo, one), 'utf8')).toContain(one)
})

it('is not blocked by what was committed without bytes: that is warned of, and the same bytes heal it', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  const { hashes } = (await (await readDraft(repo)).find(one))?.target ?? {}
  await loseBytes(world, one)
  await rm(path.join(repo, one))
  // As a run leaves it that was cut off behind its commit.
  const layout = layoutOf(repo)
  const journal = { targets: [{ file: one, hash: hashes?.sha256 ?? '' }], metadata: [] }
  await mkdir(layout.state, { recursive: true })
  await writeJournal(layout, journal)
  const ear = createEar()
  await refresh(repo, { keyring, observer: ear })
  expect(ear.said).toContainEqual(expect.stringMatching(/^warn: .*targets\/.*app-1\.0\.0.* is missing/))
  expect(await filesIn(layout.state)).toEqual([])
  await writeJournal(layout, journal)
  expect(await put(world, two)).toMatchObject({ changed: true })
  await put(world, one)
  expect(await readFile(path.join(repo, one), 'utf8')).toContain(one)
})

it('commits a package though a directory stands where its plain file goes, and says so', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  await yank({ to: repo, keyring, name: 'app', version: '1.0.0' })
  await mkdir(path.join(repo, one))
  const ear = createEar()
  await yank({ to: repo, keyring, name: 'app', version: '1.0.0', undo: true, observer: ear })
  expect(ear.said).toContainEqual(`warn: cannot write ${path.join(repo, one)}: it is a directory`)
  expect(await filesIn(path.join(repo, '.gupper'))).toEqual([])
  await (await makeClients(world)).demand(one, true)
})

it('refuses what a team brings home without its bytes, before anything is written', async () => {
  const world = await makeWorld()
  const { repo } = world
  const team = await makeTeam(world, 'team')
  const file = await speak(world, 'team', team, ({ targets }) => (targets[theirs] = targetOf(theirs)))
  const before = await filesIn(repo)
  await expect(bringHome(world, file)).rejects.toMatchObject({
    code: 'not-found',
    message: expect.stringContaining(`${targetOf(theirs).hashes.sha256}.${theirs}`) as string,
  })
  expect(await filesIn(repo)).toEqual(before)
  await writeFile(targetPath(layoutOf(repo), targetOf(theirs).hashes.sha256 ?? '', theirs), theirs)
  expect(await bringHome(world, file)).toMatchObject([{ role: 'team', committed: true }])
  expect(await readFile(path.join(repo, theirs), 'utf8')).toBe(theirs)
})

it('lets what waits without its bytes wait, and does everything else', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  const team = await makeTeam(world, 'team')
  const { pending } = layoutOf(repo)
  await speak(world, 'team', team, ({ targets }) => (targets[theirs] = targetOf(theirs)), pending)
  const ear = createEar()
  const { committed, waiting } = await refresh(repo, { keyring, observer: ear })
  expect([...committed, ...waiting]).toEqual([['team', 0]])
  expect(ear.said).toContainEqual(
    expect.stringMatching(/^warn: what waits in team cannot be published: .*lacks/),
  )
  expect(await put(world, one)).toMatchObject({ changed: true, role: 'targets' })
  await (await makeClients(world)).demand(one, true)
  expect((await readDraft(repo)).versionOf('team')).toBe(1)
})

it('lets no team touch a plain file that is none of its packages', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  const team = await makeTeam(world, 'team', ['team-*', 'NOTES*', 'meta*'])
  await writeFile(path.join(repo, 'NOTES.txt'), 'our own')
  const foreign = 'other bytes'
  const { hashes } = targetOf(foreign)
  for (const name of [one, 'metadata'])
    await writeFile(targetPath(layoutOf(repo), hashes.sha256 ?? '', name), foreign)
  const file = await speak(world, 'team', team, ({ targets }) => {
    targets[one] = targetOf(foreign)
    targets.metadata = targetOf(foreign)
    targets['NOTES.txt'] = targetOf('our own', { yanked: true })
  })
  expect(await bringHome(world, file)).toMatchObject([{ committed: true }])
  expect(await readFile(path.join(repo, one), 'utf8')).toContain(one)
  expect(await readFile(path.join(repo, 'NOTES.txt'), 'utf8')).toBe('our own')
  const yanked = await speak(world, 'team', team, ({ targets }) => {
    targets[one] = targetOf(foreign, { yanked: true })
  })
  await bringHome(world, yanked)
  await undelegate(repo, 'team', { keyring })
  expect(await readFile(path.join(repo, one), 'utf8')).toContain(one)
  expect(await readFile(path.join(repo, 'NOTES.txt'), 'utf8')).toBe('our own')
})

it('takes back what the role says that clients ask, whatever a team says of the same names', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  const team = await makeTeam(world, 'team')
  const clients = await makeClients(world)
  await writeFile(targetPath(layoutOf(repo), targetOf(theirs).hashes.sha256 ?? '', theirs), theirs)
  const lie = { name: 'app', version: '1.0.0' }
  const file = await speak(world, 'team', team, ({ targets }) => {
    targets[one] = targetOf('anything', { yanked: true })
    targets[theirs] = targetOf(theirs, lie)
  })
  await bringHome(world, file)
  expect(await yank({ to: repo, keyring, ...lie })).toMatchObject([
    { file: one, publication: { changed: true, role: 'targets' } },
  ])
  expect((await (await readDraft(repo)).find(one))?.target.custom).toHaveProperty('yanked')
  await clients.demand(one, true) // as a yanked target
  expect(await readdir(repo)).not.toContain(one)
  const own = joinKeyrings(keyring, team.keyring)
  // What it is follows from the name of its file, as for clients.
  expect(await yank({ to: repo, keyring: own, name: 'team', version: '1.0.0' })).toMatchObject([
    { file: theirs, name: 'team', publication: { changed: true, role: 'team' } },
  ])
})

it('takes from a team no delegation of its own, which no client could go past, and status alarms of one', async () => {
  const world = await makeWorld()
  const { repo, keyring } = world
  await put(world, one)
  const team = await makeTeam(world, 'team')
  const { id, key } = team.key
  const sub = { name: 'sub', keyids: [id], threshold: 1, terminating: false, paths: ['*'] }
  const edit = (next: Targets): void => {
    next.delegations = { keys: { [id]: key }, roles: [sub] }
  }
  const file = await speak(world, 'team', team, edit)
  const before = await filesIn(repo)
  await expect(bringHome(world, file)).rejects.toMatchObject({
    code: 'bad-record',
    message: 'team delegates to others in turn (sub), as no team can here',
  })
  expect(await filesIn(repo)).toEqual(before)
  await speak(world, 'team', team, edit, layoutOf(repo).pending)
  const { waiting } = await refresh(repo, { keyring })
  expect([...waiting]).toEqual([['team', 0]])
  await (await makeClients(world)).demand(one, true)

  // Had it been committed all the same:
  const draft = (await readDraft(repo)).with({ keyring })
  const envelope = parseMetadata('targets', await readFile(file), file)
  const change = await prepare(draft, new Map([['team', envelope]]))
  await commit(layoutOf(repo), change)
  const transport = await openTransport(repo, { cwd: '/', env: {} })
  const options = { keyring, lives: defaultLives, within: 0, now: new Date() }
  const states = await Array.fromAsync(readStatus(transport, options), ({ role, state }) => [role, state])
  expect(states).toContainEqual(['team', 'ok'])
  expect(states).toContainEqual(['sub', 'missing'])
})
