// Keys and signatures of openssl, used as a publisher does who has nothing else, and whose keys no gupper ever sees.
import { spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCommitted } from '../../src/repository/committed.ts'
import { noKeys, readKeyring, type Keyring } from '../../src/repository/keys/keyring.ts'
import { layoutOf, metadataPath } from '../../src/repository/layout.ts'
import { readOutsideSignature } from '../../src/repository/pending/outside-signature.ts'
import { readPendingFile } from '../../src/repository/pending/file.ts'
import { readWaiting } from '../../src/repository/pending/read.ts'
import { agreementOf, signFiles, signRepository } from '../../src/repository/pending/sign.ts'
import { readPublicFile } from '../../src/repository/keys/public-key.ts'
import { changeRole } from '../../src/repository/roles/role-change.ts'
import { keyIdOf, publicKeyOf } from '../../src/trust/tuf/key.ts'
import type { Envelope } from '../../src/trust/tuf/model.ts'
import { signedBytes } from '../../src/trust/tuf/threshold.ts'
import { has } from '../trust/tools.ts'
import { checkRepository, joinKeyrings, makeWorld, publishFiles, writePackage, type World } from './tools.ts'

const passphrase = 'correct horse, battery'
const kinds = {
  ed25519: ['-algorithm', 'ed25519'],
  'P-256': ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  RSA: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
} as const
type Kind = keyof typeof kinds

function openssl(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8', timeout: 60_000 })
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** Makes a key as openssl's manual says, and its public half. */
function makeKeys(dir: string, kind: Kind, encrypted = false): { key: string; pub: string; pass: string[] } {
  const [key, pub] = [path.join(dir, `${kind}.pem`), path.join(dir, `${kind}.pub`)]
  const lock = encrypted ? ['-aes256', '-pass', `pass:${passphrase}`] : []
  openssl('genpkey', ...kinds[kind], ...lock, '-out', key)
  const pass = encrypted ? ['-passin', `pass:${passphrase}`] : []
  openssl('pkey', '-in', key, ...pass, '-pubout', '-out', pub)
  return { key, pub, pass }
}

const pss = ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest']

function verify(kind: Kind, pub: string, bytes: string, sig: string): string {
  if (kind === 'ed25519')
    return openssl('pkeyutl', '-verify', '-rawin', '-pubin', '-inkey', pub, '-in', bytes, '-sigfile', sig)
  return openssl('dgst', '-sha256', '-verify', pub, '-signature', sig, ...(kind === 'RSA' ? pss : []), bytes)
}

function sign(kind: Kind, key: string, bytes: string, sig: string): void {
  if (kind === 'ed25519') openssl('pkeyutl', '-sign', '-rawin', '-inkey', key, '-in', bytes, '-out', sig)
  else openssl('dgst', '-sha256', '-sign', key, '-out', sig, ...(kind === 'RSA' ? pss : []), bytes)
}

/** From now on targets takes two signatures: that of the key that is there, and that of another. Gives the other's keyring. */
async function addKey(world: World, { key, pub }: { key: string; pub: string }): Promise<Keyring> {
  const theirs = await readKeyring([key], { passphrase })
  const change = { add: [await readPublicFile(pub)], threshold: 2 }
  const keyring = joinKeyrings(world.keyring, theirs)
  expect(await changeRole(world.repo, 'targets', change, { keyring })).toMatchObject({
    changed: true,
    threshold: 2,
  })
  expect(await readWaiting(world.repo)).toEqual([])
  return theirs
}

/** Publishes a package that waits for another signature; gives the file that waits. */
async function prepare(world: World, keyring: Keyring): Promise<string> {
  const file = await writePackage(world.dir, 'app-1.0.0-any-any')
  await publishFiles({ ...world, keyring }, [file])
  const pending = path.join(world.repo, '.gupper/pending')
  const [name = ''] = (await readdir(pending)).filter((name) => name.includes('targets'))
  return path.join(pending, name)
}

async function writeBytes(dir: string, file: string): Promise<string> {
  const bytes = path.join(dir, 'bytes')
  await writeFile(bytes, signedBytes((await readPendingFile(file)).envelope))
  return bytes
}

describe.skipIf(!has('openssl'))('openssl', () => {
  it.each(['ed25519', 'P-256', 'RSA'] as const)(
    'makes %s keys that sign a repository, encrypted; what they signed holds for openssl, and only that',
    async (kind) => {
      const world = await makeWorld()
      const { key, pub } = makeKeys(world.dir, kind, true)
      expect(await readFile(key, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY')
      const theirs = await addKey(world, { key, pub })
      expect(theirs.keys.size).toBe(1)
      const file = await writePackage(world.dir, 'app-1.0.0-any-any')
      await publishFiles({ ...world, keyring: joinKeyrings(world.keyring, theirs) }, [file])
      expect(await checkRepository(world.repo)).toEqual(['app-1.0.0-any-any'])

      // As an outsider: the file as it is served, and nothing else.
      const layout = layoutOf(world.repo)
      const version = (await readCommitted(layout)).snapshot.signed.meta['targets.json']?.version ?? 0
      const envelope = JSON.parse(
        await readFile(metadataPath(layout, 'targets', version), 'utf8'),
      ) as Envelope
      const id = (await readPublicFile(pub)).id
      const signature = envelope.signatures.find(({ keyid }) => keyid === id)?.sig ?? ''
      const [bytes, sig] = [path.join(world.dir, 'bytes'), path.join(world.dir, 'sig')]
      await writeFile(bytes, signedBytes(envelope))
      await writeFile(sig, Buffer.from(signature, 'hex'))
      expect(verify(kind, pub, bytes, sig)).toMatch(/Verified/)
      await writeFile(bytes, Buffer.concat([signedBytes(envelope), Buffer.from(' ')]))
      expect(() => verify(kind, pub, bytes, sig)).toThrow(/[Ff]ailure/)
    },
  )

  it.each(['ed25519', 'P-256', 'RSA'] as const)(
    'signs outside with a %s key: the signature is taken where it was made for, and completes the change',
    async (kind) => {
      const world = await makeWorld()
      const { key, pub } = makeKeys(world.dir, kind)
      await addKey(world, { key, pub })
      const pending = await prepare(world, world.keyring)
      const [bytes, sig] = [await writeBytes(world.dir, pending), path.join(world.dir, 'sig')]
      sign(kind, key, bytes, sig)
      const outside = await readOutsideSignature(sig, pub)

      const carried = path.join(world.dir, path.basename(pending))
      await writeFile(carried, await readFile(pending))
      const agreed = agreementOf([await readPendingFile(carried)])
      const [signed] = await signFiles([carried], agreed, noKeys, outside)
      expect(signed).toMatchObject({ role: 'targets', changed: true, missing: 0, committed: false })
      expect(signed?.signed).toContain(outside.key.id)
      const text = await readFile(carried, 'utf8')
      expect((await signFiles([carried], agreed, noKeys, outside))[0]).toMatchObject({
        changed: false,
        missing: 0,
      })
      expect(await readFile(carried, 'utf8')).toBe(text)

      expect(await checkRepository(world.repo)).toEqual([])
      const all = agreementOf(await readWaiting(world.repo))
      const [done] = await signRepository(world.repo, [], all, { keyring: world.keyring }, outside)
      expect(done).toMatchObject({ missing: 0, committed: true })
      expect(await checkRepository(world.repo)).toEqual(['app-1.0.0-any-any'])
    },
  )

  it('signs nothing with a signature over other bytes, of another key, in another form, or with no part in it', async () => {
    const world = await makeWorld()
    const { key, pub } = makeKeys(world.dir, 'P-256')
    await addKey(world, { key, pub })
    const pending = await prepare(world, world.keyring)
    const before = await readFile(pending, 'utf8')
    const bytes = await writeBytes(world.dir, pending)
    const sig = path.join(world.dir, 'sig')
    const agreed = agreementOf(await readWaiting(world.repo))
    const bring = async (half = pub) =>
      signRepository(
        world.repo,
        [],
        agreed,
        { keyring: world.keyring },
        await readOutsideSignature(sig, half),
      )
    const untrusted = {
      exit: 77,
      message: expect.stringContaining('is no signature of targets by the key') as string,
    }

    openssl('dgst', '-sha512', '-sign', key, '-out', sig, bytes)
    await expect(bring()).rejects.toMatchObject(untrusted)
    sign('P-256', key, pub, sig)
    await expect(bring()).rejects.toMatchObject(untrusted)
    sign('P-256', key, bytes, sig)
    await writeFile(sig, (await readFile(sig)).toString('base64'))
    await expect(bring()).rejects.toMatchObject(untrusted)
    const stranger = makeKeys(world.dir, 'ed25519')
    sign('ed25519', stranger.key, bytes, sig)
    await expect(bring()).rejects.toMatchObject(untrusted)
    await expect(bring(stranger.pub)).rejects.toMatchObject({
      exit: 78,
      message: expect.stringMatching(/^the key \w{8} may not sign targets$/) as string,
    })
    await expect(bring(key)).rejects.toMatchObject({
      exit: 64,
      message: expect.stringContaining('private') as string,
    })
    for (const wrong of ['', 'x'.repeat(5000)]) {
      await writeFile(sig, wrong)
      await expect(bring()).rejects.toMatchObject({ exit: 78 })
    }
    expect(await readFile(pending, 'utf8')).toBe(before)
    expect(await checkRepository(world.repo)).toEqual([])
  })

  it('reads public halves of all our keys, and we theirs, as the same key', async () => {
    const world = await makeWorld()
    for (const kind of ['ed25519', 'P-256', 'RSA'] as const) {
      const { key, pub } = makeKeys(world.dir, kind)
      const [own] = (await readKeyring([key])).keys.values()
      const half = own && publicKeyOf(own.half)
      expect(half && keyIdOf(half)).toBe((await readPublicFile(pub)).id)
    }
  })
})
