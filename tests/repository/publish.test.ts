import { cp, link, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { digestOf } from '../../src/package/digest.ts'
import { parseFileName } from '../../src/package/filename.ts'
import { from } from '../../src/package/flow.ts'
import { toFailure, type Item, type PackageRecord } from '../../src/package/record.ts'
import { mostInOneFile } from '../../src/repository/roles/bins.ts'
import { readRoot } from '../../src/repository/committed.ts'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { layoutOf } from '../../src/repository/layout.ts'
import { signWith } from '../../src/repository/sign.ts'
import { noKeys, readKeyring } from '../../src/repository/keys/keyring.ts'
import { publish } from '../../src/repository/packages/publish.ts'
import { changeRole } from '../../src/repository/roles/role-change.ts'
import { yank } from '../../src/repository/packages/yank.ts'
import {
  checkRepository,
  createEar,
  filesIn,
  makeDir,
  makeWorld,
  metadataOf,
  publicationOf,
  publishFiles,
  readDraft,
  writePackage,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64.tar.gz'

function partsOf(file: string): Pick<PackageRecord, 'name' | 'version' | 'os' | 'arch'> {
  const { name = '', version = '', os = '', arch = '' } = parseFileName(file) ?? {}
  return { name, version, os, arch }
}

function errorOf(item: Item | undefined): { code: string; exit: number; message: string } {
  return (item as { error: { code: string; exit: number; message: string } }).error
}

describe('publishing into a signed repository', () => {
  it('signs the fields of the record, puts the bytes below targets, and the same file beside', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    const release = { channel: 'beta', notes: 'a word', critical: true, floor: '0.9.0' }
    const [item] = await publishFiles(world, [file], { release, now: new Date('2030-01-02T03:04:05.678Z') })
    expect(item).toMatchObject({ ...release, published: '2030-01-02T03:04:05Z', file: one })
    expect(publicationOf(item)).toEqual({ to: world.repo, changed: true, role: 'targets', version: 2 })
    const found = await (await readDraft(world.repo)).find(one)
    expect(found?.target.custom).toEqual({
      ...{ schema: 1, name: 'app', version: '1.0.0', os: 'linux', arch: 'amd64' },
      ...{ published: '2030-01-02T03:04:05Z', ...release },
    })
    const stored = path.join(world.repo, 'targets', `${found?.target.hashes.sha256}.${one}`)
    expect((await stat(stored)).ino).toBe((await stat(path.join(world.repo, one))).ino)
    expect(await readFile(stored, 'utf8')).toBe(await readFile(file, 'utf8'))
    expect((await stat(stored)).ino).not.toBe((await stat(file)).ino)
  })

  it('does nothing for the same bytes, but to bring back a plain file that was lost', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    await publishFiles(world, [file])
    const before = await metadataOf(world.repo)
    await rm(path.join(world.repo, one))
    const [item] = await publishFiles(world, [file])
    expect(publicationOf(item)).toMatchObject({ changed: false, version: 2 })
    expect(await metadataOf(world.repo)).toEqual(before)
    expect(await readFile(path.join(world.repo, one), 'utf8')).toBe(await readFile(file, 'utf8'))
  })

  it('refuses other bytes under a name that is taken, also when that was yanked', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    await publishFiles(world, [file])
    const before = await metadataOf(world.repo)
    await writePackage(world.dir, one, 'other bytes')
    const [item] = await publishFiles(world, [file])
    expect(errorOf(item)).toMatchObject({ code: 'conflict', exit: 65 })
    expect(await metadataOf(world.repo)).toEqual(before)
    await yank({ to: world.repo, keyring: world.keyring, name: 'app', version: '1.0.0' })
    expect(errorOf((await publishFiles(world, [file]))[0]).code).toBe('conflict')
    expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual([])
  })

  it('refuses other bytes than lie under the name since before the repository was signed', async () => {
    const world = await makeWorld()
    await writePackage(world.repo, one, 'known to the world')
    const [item] = await publishFiles(world, [await writePackage(world.dir, one)])
    expect(errorOf(item).code).toBe('conflict')
    const [own] = await publishFiles(world, [path.join(world.repo, one)])
    expect(publicationOf(own).changed).toBe(true)
  })

  it('publishes all of an input in one commit, or nothing of it', async () => {
    const world = await makeWorld()
    const [a, b] = [await writePackage(world.dir, one), await writePackage(world.dir, two)]
    const bad = {
      schema: 1,
      name: 'x',
      version: '1.0.0',
      os: 'any',
      arch: 'any',
      file: 'x-1.0.0-any-any',
    } as const
    const record = (file: string): PackageRecord => ({
      ...{ ...bad, ...partsOf(file), file, path: path.join(world.dir, file) },
    })
    const run = (items: Item[]): Promise<Item[]> =>
      Array.fromAsync(publish(from(items), { to: world.repo, keyring: world.keyring }))
    const before = await filesIn(world.repo)

    const failure = toFailure('fetch', new GupperError('unreachable', 'no way'))
    expect(await run([record(one), failure, record(two)])).toEqual([failure])
    expect(errorOf((await run([record(one), bad]))[0])).toMatchObject({ code: 'bad-record', exit: 65 })
    const lie = { ...record(two), digest: digestOf('something else') }
    expect((await run([record(one), lie])).map((item) => errorOf(item).code)).toEqual(['wrong-digest'])
    expect((await run([record(one), { ...record(two), size: 3 }])).map((item) => errorOf(item).code)).toEqual(
      ['wrong-size'],
    )
    expect(await filesIn(world.repo)).toEqual(before)

    const done = await run([record(one), record(two)])
    expect(done.map((item) => publicationOf(item).version)).toEqual([2, 2])
    expect(await checkRepository(world.repo)).toEqual([path.basename(a), path.basename(b)])
  })

  it.each(['metadata', 'targets', '__proto__', '../x', 'x'.repeat(200)])(
    'refuses %j as the name of a file',
    async (file) => {
      const world = await makeWorld()
      const place = await writePackage(world.dir, one)
      const record = {
        schema: 1,
        name: 'x',
        version: '1.0.0',
        os: 'any',
        arch: 'any',
        file,
        path: place,
      } as const
      const [item] = await Array.fromAsync(
        publish(from([record]), { to: world.repo, keyring: world.keyring }),
      )
      expect(errorOf(item)).toMatchObject({ code: 'bad-record', exit: 65 })
    },
  )

  it.each([
    ['another version', { version: '9.0.0' }, {}],
    ['another name', { name: 'tool' }, {}],
    ['no package', {}, { file: 'timestamp.json' }],
    ['notes that every client would have to load', { notes: 'x'.repeat(70_000) }, {}],
  ])('refuses what clients would leave out or suffer from: %s', async (_, said, name) => {
    const world = await makeWorld()
    const place = await writePackage(world.dir, one)
    const record = { schema: 1, ...partsOf(one), ...said, file: one, ...name, path: place } as const
    const before = await filesIn(world.repo)
    const [item] = await Array.fromAsync(publish(from([record]), { to: world.repo, keyring: world.keyring }))
    expect(errorOf(item)).toMatchObject({ code: 'bad-record', exit: 65 })
    expect(await filesIn(world.repo)).toEqual(before)
  })

  it('warns when the same bytes come with other words: those that stand stay', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    const rollout = { start: '2030-01-02T03:04:05Z', rate: '10%/h' }
    await publishFiles(world, [file], { release: { channel: 'beta', rollout } })
    const ear = createEar()
    const later = { ...rollout, start: '2030-01-03T03:04:05Z' }
    await publishFiles(world, [file], { observer: ear, release: { channel: 'beta', rollout: later } })
    expect(ear.said).toEqual([])
    for (const release of [
      { channel: 'stable' },
      { rollout: { ...later, rate: '50%/h' } },
      { critical: true },
    ])
      await publishFiles(world, [file], { observer: ear, release })
    const word = `warn: ${one} is published already: what was said of it stays as it is`
    expect(ear.said).toEqual([word, word, word])
    expect((await readDraft(world.repo)).versionOf('targets')).toBe(2)
  })

  it('signs with the key that a rotation made while it waited for its turn', async () => {
    const world = await makeWorld()
    const { keyring } = world
    const making = { directory: world.keys, type: 'ed25519' } as const
    await changeRole(
      world.repo,
      'targets',
      { remove: true },
      { keyring: await readKeyring([world.keys]), making },
    )
    await changeRole(
      world.repo,
      'online',
      { remove: true },
      { keyring: await readKeyring([world.keys]), making },
    )
    const [item] = await publishFiles({ ...world, keyring }, [await writePackage(world.dir, one)])
    expect(publicationOf(item)).toEqual({ to: world.repo, changed: true, role: 'targets', version: 3 })
  })

  it('writes through no link that somebody has put where its files will be', async () => {
    const world = await makeWorld()
    const precious = await writePackage(world.dir, 'precious')
    for (const name of [
      'metadata/2.targets.json',
      'metadata/2.snapshot.json',
      '.gupper/timestamp.json.new',
    ]) {
      await mkdir(path.dirname(path.join(world.repo, name)), { recursive: true })
      await symlink(precious, path.join(world.repo, name))
    }
    await publishFiles(world, [await writePackage(world.dir, one)])
    expect(await readFile(precious, 'utf8')).toBe('the bytes of precious\n')
    expect(await checkRepository(world.repo)).toEqual([one])
  })

  it('says which key of which role is missing', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    const { role } = await (await readDraft(world.repo)).authorityOf('targets')
    await expect(publishFiles({ ...world, keyring: noKeys }, [file])).rejects.toMatchObject({
      exit: 78,
      message: expect.stringContaining(
        `the role targets: no keys are given; it takes ${role.keyids[0]}`,
      ) as string,
    })
    const online = await readKeyring([path.join(world.keys, 'online.pem')])
    await expect(publishFiles({ ...world, keyring: online }, [file])).rejects.toMatchObject({
      exit: 78,
      message: expect.stringContaining(role.keyids[0] ?? '-') as string,
    })
    expect(await filesIn(path.join(world.repo, 'targets'))).toEqual([])
  })

  it('does not lend its signature to what somebody wrote into the files', async () => {
    const world = await makeWorld()
    await publishFiles(world, [await writePackage(world.dir, one)])
    const file = path.join(world.repo, 'metadata/2.targets.json')
    const text = await readFile(file, 'utf8')
    const next = await writePackage(world.dir, two)
    for (const forged of [text.slice(0, -20), text.replace('"length":', '"length":1'), '']) {
      await writeFile(file, forged)
      await expect(publishFiles(world, [next])).rejects.toMatchObject({ code: 'untrusted', exit: 77 })
    }
    await writeFile(file, text)
    await rm(path.join(world.repo, 'metadata/2.snapshot.json'))
    await expect(publishFiles(world, [next])).rejects.toMatchObject({ exit: 77 })
  })

  it('does not sign under a root that somebody has put in the place of its own', async () => {
    const world = await makeWorld()
    const evil = await makeWorld()
    const own = await readRoot(layoutOf(world.repo))
    const forged = await readRoot(layoutOf(evil.repo))
    // The very keys of targets and of the online machine beside those of another, under another's root.
    Object.assign(forged.signed.keys, own.signed.keys)
    for (const role of ['targets', 'snapshot', 'timestamp'] as const)
      forged.signed.roles[role].keyids = [
        ...own.signed.roles[role].keyids,
        ...forged.signed.roles[role].keyids,
      ]
    const authority = { role: forged.signed.roles.root, keys: forged.signed.keys }
    const root = signWith({ signed: forged.signed, signatures: [] }, authority, evil.keyring)
    await cp(path.join(evil.repo, 'metadata'), path.join(world.repo, 'metadata'), { recursive: true })
    await writeFile(path.join(world.repo, 'metadata/1.root.json'), writeEnvelope(root))
    const file = await writePackage(world.dir, one)
    await expect(publishFiles(world, [file])).rejects.toMatchObject({
      code: 'untrusted',
      message: expect.stringContaining(path.join(world.keys, 'root.json')) as string,
    })
    expect(await filesIn(path.join(world.repo, 'targets'))).toEqual([])
    // The test itself: it is only the copy beside the keys that tells.
    await rm(path.join(world.keys, 'root.json'))
    expect(publicationOf((await publishFiles(world, [file]))[0]).changed).toBe(true)
  })

  it(
    'keeps the last versions of metadata for clients under way, and no more',
    { timeout: 60_000 },
    async () => {
      const world = await makeWorld()
      for (let i = 0; i < 22; i++)
        await publishFiles(world, [await writePackage(world.dir, `app-1.${i}.0-linux-amd64`)])
      const names = Object.keys(await metadataOf(world.repo))
      expect(names.filter((name) => name.endsWith('.targets.json'))).toHaveLength(16)
      expect(names).toContain('23.targets.json')
      expect(names).toContain('1.root.json')
      expect(await checkRepository(world.repo)).toHaveLength(22)
    },
  )

  it(
    'spreads many targets over bins, then touches only the one that changes',
    { timeout: 60_000 },
    async () => {
      const world = await makeWorld()
      const names = Array.from({ length: mostInOneFile + 1 }, (_, i) => `app-1.${i}.0-linux-amd64`)
      await publishFiles(world, await Promise.all(names.map((name) => writePackage(world.dir, name))))
      const before = Object.keys(await metadataOf(world.repo))
      expect(before.filter((name) => name.includes('bin-'))).toHaveLength(256)
      const [item] = await publishFiles(world, [await writePackage(world.dir, two)])
      const after = Object.keys(await metadataOf(world.repo)).filter((name) => !before.includes(name))
      expect(after).toEqual([`2.${String(publicationOf(item).role)}.json`, '3.snapshot.json'])
      const [gone] = await yank({ to: world.repo, keyring: world.keyring, name: 'app', version: '1.7.0' })
      expect(gone).toMatchObject({ yanked: {}, publication: { changed: true } })
      expect(await checkRepository(world.repo)).toHaveLength(mostInOneFile + 1)
    },
  )

  it('signs targets and all bins anew when half of their life is over', { timeout: 60_000 }, async () => {
    const world = await makeWorld()
    const now = new Date(Date.now() + 200 * 86_400_000)
    await publishFiles(world, [await writePackage(world.dir, one)], { now })
    const top = await (await readDraft(world.repo)).read('targets')
    expect(Date.parse(top?.expires ?? '')).toBeGreaterThan(now.getTime() + 364 * 86_400_000)
  })

  it('acts at once on records of a stream that does not end', async () => {
    const world = await makeWorld()
    const place = await writePackage(world.dir, one)
    const watched = { at: '2030-01-01T00:00:00Z' }
    const common = { schema: 1, name: 'app', version: '1.0.0', os: 'linux', arch: 'amd64', watched } as const
    const seen: boolean[] = []
    async function* stream(): AsyncGenerator<Item> {
      yield { ...common, file: one, path: place }
      seen.push((await checkRepository(world.repo)).includes(one))
    }
    await Array.fromAsync(publish(stream(), { to: world.repo, keyring: world.keyring }))
    expect(seen).toEqual([true])
  })
})

it.each([true, false])('nothing is published that no client would take, signed: %s', async (signed) => {
  const world = await makeWorld()
  const plain = { repo: path.join(world.dir, 'plain'), dir: world.dir, keyring: noKeys }
  const file = await writePackage(world.dir, 'app-1.0.0-any-any')
  const before = await metadataOf(world.repo)
  const rollout = { waves: [{ at: '+012978-07-15T10:00:00Z', percent: 10 }] }
  const found = await publishFiles(signed ? world : plain, [file], { release: { rollout } })
  expect(found).toMatchObject([
    { error: { code: 'bad-record', message: expect.stringContaining('"rollout" must be') as string } },
  ])
  expect(await metadataOf(world.repo)).toEqual(before)
  expect(await filesIn(plain.repo).catch(() => [])).toEqual([])
})

describe('publishing into a plain directory', () => {
  it('places the file alone; the same bytes change nothing, other bytes are refused', async () => {
    const dir = await makeDir()
    const repo = path.join(dir, 'plain')
    const world = { dir, repo, keyring: noKeys }
    const file = await writePackage(dir, one)
    expect(publicationOf((await publishFiles(world, [file]))[0])).toEqual({ to: repo, changed: true })
    expect(publicationOf((await publishFiles(world, [file]))[0])).toEqual({ to: repo, changed: false })
    await writePackage(dir, one, 'other')
    const more = await writePackage(dir, two)
    expect((await publishFiles(world, [more, file])).map((item) => errorOf(item).code)).toEqual(['conflict'])
    expect(await filesIn(repo)).toEqual([one])
  })

  it('is refused when keys are given: nobody shall believe that it was signed', async () => {
    const world = await makeWorld()
    const plain = path.join(world.dir, 'plain')
    await mkdir(plain)
    const file = await writePackage(world.dir, one)
    await expect(publishFiles({ ...world, repo: plain }, [file])).rejects.toMatchObject({
      code: 'config',
      exit: 78,
    })
    expect(await filesIn(plain)).toEqual([])
  })
})

it('repairs a plain file that has other bytes than were published, and says so', async () => {
  const world = await makeWorld()
  const file = await writePackage(world.dir, one)
  await publishFiles(world, [file])
  const plain = path.join(world.repo, one)
  await rm(plain)
  await writeFile(plain, 'tampered')
  const ear = createEar()
  await publishFiles(world, [file], { observer: ear })
  expect(ear.said).toEqual([expect.stringContaining(plain) as string])
  expect(await readFile(plain, 'utf8')).toBe(await readFile(file, 'utf8'))
  await rm(plain)
  await link(file, plain)
  await publishFiles(world, [file], { observer: ear })
  expect(ear.said).toHaveLength(1)
})
