import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { keyTypes, makeKey, readKeyFile, writeKeyFile } from '../../src/repository/keys/key-file.ts'
import { findKey, readKeyring } from '../../src/repository/keys/keyring.ts'
import { signBytes } from '../../src/repository/sign.ts'
import { checkSignature, identityOf, publicKeyOf } from '../../src/trust/tuf/key.ts'
import { parseMetadata } from '../../src/trust/tuf/metadata.ts'
import { has } from '../trust/tools.ts'
import { createEar, makeDir } from './tools.ts'

const phrase = 'correct horse, battery'

function openssl(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args.join(' ')}: ${stderr}`)
  return stdout
}

describe.skipIf(!has('openssl'))('keys and openssl', () => {
  it.each(keyTypes)('openssl reads our %s keys, encrypted and not, and their signatures', async (type) => {
    const dir = await makeDir()
    for (const passphrase of [undefined, phrase]) {
      const file = path.join(dir, `${type}-${passphrase === undefined ? 'open' : 'locked'}.pem`)
      const half = makeKey(type)
      expect(await writeKeyFile(file, half, passphrase)).toBe(true)
      expect((await stat(file)).mode & 0o777).toBe(0o600)
      expect(await readFile(file, 'utf8')).toContain(passphrase ? 'BEGIN ENCRYPTED PRIVATE' : 'BEGIN PRIVATE')
      const pub = openssl(
        'pkey',
        '-in',
        file,
        '-pubout',
        ...(passphrase ? ['-passin', `pass:${phrase}`] : []),
      )
      const key = publicKeyOf(half)
      if (key === undefined) throw new Error('no key')
      if (type !== 'ed25519') expect(pub).toBe(key.keyval.public)
      expect(openssl('pkey', '-pubin', '-in', await write(dir, 'pub.pem', pub), '-text', '-noout')).toMatch(
        { ed25519: /ED25519/, ecdsa: /NIST CURVE: P-256/, rsa: /3072 bit/ }[type],
      )
      const bytes = Buffer.from('what is signed')
      const data = await write(dir, 'data', bytes)
      const sig = await write(dir, 'sig', Buffer.from(signBytes(key, half, bytes), 'hex'))
      const how = {
        ed25519: ['-rawin'],
        ecdsa: ['-rawin', '-digest', 'sha256'],
        rsa: [
          ...['-rawin', '-digest', 'sha256', '-pkeyopt', 'rsa_padding_mode:pss'],
          ...['-pkeyopt', 'rsa_pss_saltlen:digest'],
        ],
      }[type]
      const verify = ['pkeyutl', '-verify', '-pubin', '-inkey', path.join(dir, 'pub.pem'), '-in', data]
      expect(openssl(...verify, '-sigfile', sig, ...how)).toContain('Signature Verified Successfully')
    }
  })

  it.each([
    ['ed25519', ['genpkey', '-algorithm', 'ed25519']],
    ['P-256', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384', ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
    ['P-256 in the old form', ['ecparam', '-genkey', '-name', 'prime256v1']],
    ['RSA', ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048']],
    ['RSA in the old form', ['genrsa', '-traditional', '2048']],
  ])('reads %s keys of openssl, encrypted and not, and signs with them', async (_, args) => {
    const dir = await makeDir()
    const open = path.join(dir, 'open.pem')
    const [command = '', ...more] = args
    openssl(command, '-out', open, ...more)
    const locked = path.join(dir, 'locked.pem')
    openssl(
      'pkcs8',
      '-topk8',
      '-in',
      open,
      '-out',
      locked,
      '-v2',
      'aes-256-cbc',
      '-passout',
      `pass:${phrase}`,
    )
    const half = await readKeyFile(open)
    expect(identityOf(await readKeyFile(locked, phrase))).toBe(identityOf(half))
    const key = publicKeyOf(half)
    if (key === undefined) throw new Error('no key')
    const bytes = Buffer.from('what is signed')
    expect(checkSignature(key, bytes, signBytes(key, half, bytes))).toBe(true)
    expect(checkSignature(key, Buffer.from('something else'), signBytes(key, half, bytes))).toBe(false)
  })

  it('says of an openssl key that nobody can sign with here what it is', async () => {
    const dir = await makeDir()
    openssl('genpkey', '-algorithm', 'X25519', '-out', path.join(dir, 'x.pem'))
    const { keys, troubles } = await readKeyring([dir])
    expect(keys.size).toBe(0)
    expect(troubles[0]?.message).toContain('of a kind that cannot sign here')
  })
})

async function write(dir: string, name: string, bytes: string | Buffer): Promise<string> {
  await writeFile(path.join(dir, name), bytes)
  return path.join(dir, name)
}

describe('a keyring', () => {
  it('finds keys by content in several places, and leaves alone what is none', async () => {
    const dir = await makeDir()
    const [one, two] = [path.join(dir, 'one'), path.join(dir, 'two')]
    await mkdir(one)
    await mkdir(two)
    const key = makeKey('ed25519')
    await writeKeyFile(path.join(one, 'strange name.pem'), key)
    await writeKeyFile(path.join(two, 'locked.pem'), makeKey('ecdsa'), phrase)
    await writeFile(path.join(two, 'none.pem'), 'hello', { mode: 0o600 })
    await writeFile(path.join(two, 'readme.txt'), 'hello')
    const plain = await readKeyring([one, two])
    expect([...plain.keys.keys()]).toEqual([identityOf(key)])
    const half = publicKeyOf(key)
    expect(half && findKey(plain, half)?.path).toBe(path.join(one, 'strange name.pem'))
    expect(plain.troubles.map(({ message }) => message)).toEqual([
      expect.stringContaining('locked.pem is encrypted, and no passphrase is given') as string,
      expect.stringContaining('none.pem holds no private key') as string,
    ])
    expect((await readKeyring([two], { passphrase: 'wrong' })).troubles[0]).toMatchObject({ exit: 78 })
    expect((await readKeyring([two], { passphrase: phrase })).keys.size).toBe(1)
    await expect(readKeyring([path.join(dir, 'three')])).rejects.toMatchObject({ code: 'config', exit: 78 })
  })

  it.skipIf(!has('mkfifo'))('does not wait for a pipe that lies among the keys', async () => {
    const dir = await makeDir()
    const key = makeKey('ed25519')
    await writeKeyFile(path.join(dir, 'b.pem'), key)
    spawnSync('mkfifo', [path.join(dir, 'a.pem')])
    const keyring = await readKeyring([dir])
    expect([...keyring.keys.keys()]).toEqual([identityOf(key)])
    expect(keyring.troubles.map(({ message }) => message)).toEqual([
      `cannot read ${path.join(dir, 'a.pem')}: it is not a file`,
    ])
  })

  it('warns of a key that others can read', async () => {
    const dir = await makeDir()
    const file = path.join(dir, 'key.pem')
    await writeKeyFile(file, makeKey('ed25519'))
    const ear = createEar()
    await readKeyring([dir], { observer: ear })
    expect(ear.said).toEqual([])
    await chmod(file, 0o640)
    await readKeyring([dir], { observer: ear })
    expect(ear.said).toEqual([`warn: the key ${file} can be read by others`])
  })

  it('never replaces a key that is there', async () => {
    const file = path.join(await makeDir(), 'key.pem')
    const key = makeKey('ed25519')
    expect(await writeKeyFile(file, key)).toBe(true)
    expect(await writeKeyFile(file, makeKey('ed25519'))).toBe(false)
    expect(identityOf(await readKeyFile(file))).toBe(identityOf(key))
  })
})

it('does not repeat a private key that was given for metadata', async () => {
  const file = path.join(await makeDir(), 'root.pem')
  await writeKeyFile(file, makeKey('ed25519'))
  const bytes = await readFile(file)
  expect(() => parseMetadata('root', bytes, file)).toThrow(
    new GupperError('untrusted', `${file} is not the metadata it should be: not JSON`),
  )
})
