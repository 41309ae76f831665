import { spawnSync } from 'node:child_process'
import { createHash, createPrivateKey, randomBytes } from 'node:crypto'
import { access, chmod, copyFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { blake2b256 } from '../../src/repository/keys/blake2b.ts'
import { from } from '../../src/package/flow.ts'
import { publish } from '../../src/repository/packages/publish.ts'
import { noKeys } from '../../src/repository/keys/keyring.ts'
import { costOf, readMinisignSecret } from '../../src/repository/keys/minisign-key.ts'
import { makeSignature } from '../../src/repository/packages/package-signature.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { yank } from '../../src/repository/packages/yank.ts'
import type { PackageRecord } from '../../src/package/record.ts'
import { parseKey } from '../../src/trust/minisign.ts'
import { verifyFiles } from '../../src/trust/verify.ts'
import { has } from '../trust/tools.ts'
import { checkMinisig, findTarget, makeSecret, writeSecret } from './minisign-tools.ts'
import {
  checkRepository,
  createEar,
  filesIn,
  makeDir,
  makeWorld,
  metadataOf,
  pickKeyring,
  publicationOf,
  publishFiles,
  writePackage,
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const none = (): Promise<undefined> => Promise.resolve(undefined)
const phrase = (word: string) => () => Promise.resolve(word)

async function openSecret(dir: string, name?: string) {
  return readMinisignSecret(await writeSecret(dir, makeSecret(), name), none)
}

const isThere = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

describe('BLAKE2b-256', () => {
  // RFC 7693 has no vector of this length; these are of b2sum -l 256 (GNU coreutils 9.1).
  it.each([
    ['', '0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8'],
    ['abc', 'bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319'],
    ['x'.repeat(74), '67866a8fdb8b2833d45dba94477de73159cda79348669e0234885a67f50733d0'],
    ['y'.repeat(128), '344a3b5dec41f412c454eb8e0a96c5ff9d31c94fed2bd73d4eea9bc92524993d'],
  ])('of %j is what other programs say', (text, hash) => {
    expect(blake2b256(Buffer.from(text)).toString('hex')).toBe(hash)
  })

  it('is made of one block only', () => {
    expect(() => blake2b256(Buffer.alloc(129))).toThrow(RangeError)
  })
})

describe('a secret key of minisign', () => {
  it('is opened, encrypted and not, and asks for a passphrase only where it needs one', async () => {
    const dir = await makeDir()
    const never = (): never => {
      throw new Error('asked')
    }
    const plain = await readMinisignSecret(await writeSecret(dir, makeSecret()), never)
    expect(plain.half.asymmetricKeyType).toBe('ed25519')
    expect(parseKey(plain.public, 'key').id).toBe(plain.id)
    const locked = await writeSecret(dir, makeSecret({ passphrase: 'größer' }))
    expect((await readMinisignSecret(locked, phrase('größer'))).id).toMatch(/^[0-9A-F]{16}$/)
    await expect(readMinisignSecret(locked, none)).rejects.toMatchObject({
      exit: 78,
      message: expect.stringContaining('is encrypted, and no passphrase is given') as string,
    })
    await expect(readMinisignSecret(locked, phrase('grosser'))).rejects.toMatchObject({
      exit: 78,
      message: `wrong passphrase for the key ${locked}`,
    })
  })

  it('is given to scrypt as libsodium would', () => {
    const cost = (ops: bigint, memory: bigint): bigint[] => Object.values(costOf(ops, memory))
    expect(cost(33_554_432n, 1n << 30n)).toEqual([1n << 20n, 8n, 1n]) // "sensitive", which minisign takes
    expect(cost(524_288n, 16n << 20n)).toEqual([1n << 14n, 8n, 1n]) // "interactive"
    expect(cost(32_768n, 16n << 20n)).toEqual([1024n, 8n, 1n])
    expect(cost(0n, 0n)).toEqual([2n, 8n, 512n])
  })

  it('is refused when opening it would take all memory, or forever', async () => {
    const dir = await makeDir()
    const huge = 0xffff_ffff_ffff_ffffn
    for (const [ops, memory] of [
      [huge, huge],
      [huge, 1n << 20n],
      [1n << 27n, 4n << 30n],
      [0n, 0n],
    ] as const) {
      const file = await writeSecret(dir, makeSecret({ passphrase: 'x', ops, memory }))
      const opening = readMinisignSecret(file, phrase('x'))
      // The least limits are no danger; it is only another passphrase that they make of this one.
      const message = ops === 0n ? /^wrong passphrase/ : /would take too much$/
      await expect(opening).rejects.toMatchObject({
        exit: 78,
        message: expect.stringMatching(message) as string,
      })
    }
  })

  it('is refused when it is something else, or damaged', async () => {
    const dir = await makeDir()
    const file = path.join(dir, 'key')
    const secret = makeSecret()
    const text = (bytes: Buffer): string => `untrusted comment: x\n${bytes.toString('base64')}\n`
    const withBytes = (at: number, ...bytes: number[]): string => {
      const copy = Buffer.from(secret)
      copy.set(bytes, at)
      return text(copy)
    }
    const good = await readMinisignSecret(await writeSecret(dir, secret), none)
    for (const [wrong, complaint] of [
      ['', 'not a minisign secret key'],
      [text(secret).slice(0, -10), 'not a minisign secret key'],
      [secret.toString('base64'), 'not a minisign secret key'],
      [withBytes(0, 0x58), 'not a minisign secret key'],
      [withBytes(4, 0x58), 'not a minisign secret key'],
      [withBytes(2, 0x58), 'is no minisign secret key that can be used here'],
      [withBytes(130, 1), 'is no minisign secret key that can be used here'],
      [withBytes(70, ...randomBytes(4)), 'its two halves do not belong together'],
      [`untrusted comment: x\n${good.public}\n`, 'is a public key'],
      [good.public, 'is a public key'],
      ['x'.repeat(100_000), 'not a minisign secret key'],
    ] as const) {
      await writeFile(file, wrong)
      await expect(readMinisignSecret(file, none), wrong).rejects.toMatchObject({
        exit: 78,
        message: expect.stringContaining(complaint) as string,
      })
    }
    await expect(readMinisignSecret(dir, none)).rejects.toMatchObject({ exit: 78 })
    await expect(readMinisignSecret(path.join(dir, 'nothing'), none)).rejects.toMatchObject({ exit: 69 })
  })
})

describe('publishing with a minisign key', () => {
  it('puts a signature beside the target and beside the plain file, which name the package', async () => {
    const world = await makeWorld()
    const minisign = await openSecret(world.dir)
    const file = await writePackage(world.dir, one)
    const [item] = await publishFiles(world, [file], { minisign, now: new Date('2030-01-02T03:04:05Z') })
    expect(publicationOf(item)).toMatchObject({ changed: true, minisign: minisign.id })
    const target = await findTarget(world.repo, one)
    const comment = `timestamp:1893553445\tfile:${one}\thashed`
    expect(await checkMinisig(path.join(world.repo, one), minisign.public)).toBe(comment)
    expect(await checkMinisig(target, minisign.public)).toBe(comment)
    const mode = (await stat(`${target}.minisig`)).mode & 0o777
    expect(mode).toBe(0o644)
    expect(await checkRepository(world.repo)).toEqual([one])
    const [record] = await Array.fromAsync(
      verifyFiles([path.join(world.repo, one)], {
        cwd: '/',
        minisign: minisign.public,
        require: ['minisign'],
      }),
    )
    expect(record).toMatchObject({ name: 'app', proofs: [{ by: 'minisign', key: minisign.id, comment }] })
  })

  it('does nothing for the same bytes, but to add a signature that is missing or another key’s', async () => {
    const world = await makeWorld()
    const minisign = await openSecret(world.dir)
    const file = await writePackage(world.dir, one)
    await publishFiles(world, [file])
    const metadata = await metadataOf(world.repo)
    const target = await findTarget(world.repo, one)
    const again = async (secret = minisign): Promise<string[]> => {
      const observer = createEar()
      const [item] = await publishFiles(world, [file], { minisign: secret, observer })
      expect(publicationOf(item)).toMatchObject({ changed: false })
      for (const place of [target, path.join(world.repo, one)]) await checkMinisig(place, secret.public)
      expect(await metadataOf(world.repo)).toEqual(metadata)
      return observer.said
    }
    expect(await again()).toEqual([])
    const before = await stat(`${target}.minisig`, { bigint: true })
    expect(await again()).toEqual([])
    expect((await stat(`${target}.minisig`, { bigint: true })).ino).toBe(before.ino)
    await rm(path.join(world.repo, `${one}.minisig`))
    await again()
    await rm(`${target}.minisig`)
    await again()
    await writeFile(`${target}.minisig`, 'half of a signature')
    expect(await again()).toEqual([
      `warn: ${target}.minisig was not made with this key over these bytes, and is replaced`,
    ])
    const other = await openSecret(world.dir, 'other.key')
    expect(await again(other)).toHaveLength(1)
    expect(await filesIn(path.join(world.repo, '.gupper'))).toEqual([])
  })

  it('leaves no signature where nothing was published', async () => {
    const world = await makeWorld()
    const minisign = await openSecret(world.dir)
    const files = [await writePackage(world.dir, one)]
    await publishFiles(world, files)
    const before = await filesIn(world.repo)
    await writePackage(world.dir, one, 'other bytes')
    files.push(await writePackage(world.dir, 'app-1.1.0-linux-amd64'))
    const [item] = await publishFiles(world, files, { minisign })
    expect(item).toMatchObject({ error: { code: 'conflict' } })
    const keyless = publishFiles({ ...world, keyring: noKeys }, files.slice(1), { minisign })
    await expect(keyless).rejects.toMatchObject({ exit: 78 })
    // The directory of metadata cannot be written, so that the commit itself fails.
    await rm(path.join(world.repo, '.gupper/timestamp.json.new'), { force: true })
    await mkdir(path.join(world.repo, '.gupper/timestamp.json.new'))
    await expect(publishFiles(world, files.slice(1), { minisign })).rejects.toMatchObject({ exit: 73 })
    await rm(path.join(world.repo, '.gupper/timestamp.json.new'), { recursive: true })
    expect(await filesIn(world.repo)).toEqual(before)
  })

  it('offers the signature with the package when what waited is committed, and takes both back', async () => {
    const world = await makeWorld()
    const minisign = await openSecret(world.dir)
    const file = await writePackage(world.dir, one)
    const keyring = await pickKeyring(world, 'targets')
    const [item] = await publishFiles({ ...world, keyring }, [file], { minisign })
    expect(publicationOf(item)).toMatchObject({ pending: true })
    const plain = path.join(world.repo, one)
    expect(await isThere(`${plain}.minisig`)).toBe(false)
    await refresh(world.repo, { keyring: world.keyring })
    await checkMinisig(plain, minisign.public)
    const target = await findTarget(world.repo, one)
    const app = { to: world.repo, keyring: world.keyring, name: 'app', version: '1.0.0' }
    await yank(app)
    expect([await isThere(plain), await isThere(`${plain}.minisig`)]).toEqual([false, false])
    await checkMinisig(target, minisign.public)
    await yank({ ...app, undo: true })
    await checkMinisig(plain, minisign.public)
  })

  it('does not touch a signature that somebody put beside a plain file', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, one)
    const own = path.join(world.repo, `${one}.minisig`)
    await writeFile(own, 'my own')
    await publishFiles(world, [file])
    await yank({ to: world.repo, keyring: world.keyring, name: 'app', version: '1.0.0' })
    expect(await readFile(own, 'utf8')).toBe('my own')
  })

  it('refuses a package that is named like a signature', async () => {
    const world = await makeWorld()
    const file = await writePackage(world.dir, 'app-1.0.0-any-any')
    const identity = { schema: 1 as const, name: 'app', version: '1.0.0', os: 'any', arch: 'any' }
    const records: PackageRecord[] = [{ ...identity, file: 'app-1.0.0-any-any.minisig', path: file }]
    const items = await Array.fromAsync(publish(from(records), { to: world.repo, keyring: world.keyring }))
    expect(items).toMatchObject([{ error: { code: 'bad-record' } }])
  })

  it('signs in a plain directory too, also what lies there already, and never over other bytes', async () => {
    const dir = await makeDir()
    const minisign = await openSecret(dir)
    const [repo, from] = [path.join(dir, 'repo'), path.join(dir, 'from')]
    await mkdir(from)
    const place = { repo, dir, keyring: noKeys }
    const file = await writePackage(from, one)
    await publishFiles(place, [file])
    await publishFiles(place, [file], { minisign })
    await publishFiles(place, [await writePackage(from, 'app-1.1.0-any-any')], { minisign })
    for (const name of [one, 'app-1.1.0-any-any']) await checkMinisig(path.join(repo, name), minisign.public)
    await writePackage(from, one, 'other bytes')
    const [item] = await publishFiles(place, [file], { minisign })
    expect(item).toMatchObject({ error: { code: 'conflict' } })
    await checkMinisig(path.join(repo, one), minisign.public)
    expect(await filesIn(repo)).toEqual([
      one,
      `${one}.minisig`,
      'app-1.1.0-any-any',
      'app-1.1.0-any-any.minisig',
    ])
  })

  it('leaves the signature of whoever came first, when two publish other bytes under one name', async () => {
    const dir = await makeDir()
    const repo = path.join(dir, 'repo')
    const secrets = [await openSecret(dir, 'a.key'), await openSecret(dir, 'b.key')]
    const done = await Promise.all(
      secrets.map(async (minisign, at) => {
        const from = path.join(dir, `from-${at}`)
        await mkdir(from)
        const file = await writePackage(from, one, `bytes of ${at}`)
        const [item] = await publishFiles({ repo, dir, keyring: noKeys }, [file], { minisign })
        return { minisign, first: item !== undefined && !('error' in item) }
      }),
    )
    const [first, ...more] = done.filter(({ first }) => first)
    expect(more).toEqual([])
    await checkMinisig(path.join(repo, one), first?.minisign.public ?? '')
  })
})

describe.skipIf(!has('minisign'))('minisign itself', () => {
  function minisign(
    dir: string,
    args: readonly string[],
    input = '',
  ): { status: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync('minisign', args, {
      cwd: dir,
      input,
      encoding: 'utf8',
      timeout: 60_000,
    })
    return { status, output: stdout + stderr }
  }

  it('takes our signatures, and refuses them for other bytes', async () => {
    const dir = await makeDir()
    expect(minisign(dir, ['-G', '-W', '-p', 'k.pub', '-s', 'k.key'])).toMatchObject({ status: 0 })
    const secret = await readMinisignSecret(path.join(dir, 'k.key'), none)
    expect(await readFile(path.join(dir, 'k.pub'), 'utf8')).toContain(`${secret.public}\n`)
    for (const [file, bytes] of [
      [one, randomBytes(3 << 20)],
      ['größe', Buffer.from('x')],
    ] as const) {
      await writeFile(path.join(dir, file), bytes)
      const message = createHash('blake2b512').update(bytes).digest()
      await writeFile(path.join(dir, `${file}.minisig`), makeSignature(secret, file, message, new Date()))
      const verify = ['-V', '-H', '-p', 'k.pub', '-m', file]
      expect(minisign(dir, verify)).toMatchObject({
        status: 0,
        output: expect.stringMatching(`Trusted comment: timestamp:\\d+\tfile:${file}\thashed`) as string,
      })
      await writeFile(path.join(dir, file), 'other bytes')
      expect(minisign(dir, verify).status).not.toBe(0)
    }
  })

  it(
    'has the same public half, key number and signatures for a key that we opened',
    { timeout: 60_000 },
    async () => {
      const dir = await makeDir()
      const made = minisign(dir, ['-G', '-p', 'k.pub', '-s', 'k.key'], 'pass word\npass word\n')
      expect(made.status).toBe(0)
      const key = path.join(dir, 'k.key')
      const secret = await readMinisignSecret(key, phrase('pass word'))
      expect(await readFile(path.join(dir, 'k.pub'), 'utf8')).toContain(`${secret.public}\n`)
      // It leaves leading zeros out.
      expect(await readFile(path.join(dir, 'k.pub'), 'utf8')).toContain(secret.id.replace(/^0+/, ''))
      // Ed25519 has no chance in it: both must make the same bytes (RFC 8032).
      const bytes = Buffer.from('what is signed')
      await writeFile(path.join(dir, 'f'), bytes)
      await copyFile(key, path.join(dir, 'open.key'))
      await chmod(path.join(dir, 'open.key'), 0o600)
      expect(minisign(dir, ['-C', '-W', '-s', 'open.key'], 'pass word\n').status).toBe(0)
      const opened = await readMinisignSecret(path.join(dir, 'open.key'), none)
      expect(opened.public).toBe(secret.public)
      expect(minisign(dir, ['-S', '-s', 'open.key', '-m', 'f']).status).toBe(0)
      const theirs = (await readFile(path.join(dir, 'f.minisig'), 'utf8')).split('\n')
      const [, time = ''] = /timestamp:(\d+)/.exec(theirs[2] ?? '') ?? []
      const message = createHash('blake2b512').update(bytes).digest()
      const ours = makeSignature(secret, 'f', message, new Date(Number(time) * 1000)).split('\n')
      expect(ours.slice(1)).toEqual(theirs.slice(1))
      expect(createPrivateKey(opened.half.export({ type: 'pkcs8', format: 'pem' })).equals(secret.half)).toBe(
        true,
      )
    },
  )
})
