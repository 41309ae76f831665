import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { link, open, readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GupperError, errnoOf, explaining } from '../../errors.ts'
import { syncDirectory } from '../../store/durable.ts'
import { sweep, temporaryName } from '../../store/pack-leftovers.ts'
import { readRegular } from '../../store/read-regular.ts'

/** The kinds of keys that can be made. */
export const keyTypes = ['ed25519', 'ecdsa', 'rsa'] as const
export type KeyType = (typeof keyTypes)[number]

/** Makes a private key: Ed25519, ECDSA on P-256, or RSA of 3072 bits. */
export function makeKey(type: KeyType): KeyObject {
  if (type === 'ed25519') return generateKeyPairSync('ed25519').privateKey
  if (type === 'ecdsa') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  return generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey
}

/**
 * Writes a private key as PKCS#8 PEM (RFC 5958, RFC 7468), encrypted where a passphrase is given, for its owner only.
 * @returns false when a file of that name is there already; it is left as it is
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writeKeyFile(path: string, key: KeyObject, passphrase?: string): Promise<boolean> {
  const form = { type: 'pkcs8', format: 'pem' } as const
  const lock = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase }
  const pem = key.export({ ...form, ...lock })
  const directory = dirname(path)
  const temporary = join(directory, temporaryName())
  return explaining(`cannot write ${path}`, async () => {
    await sweep(directory)
    try {
      const file = await open(temporary, 'wx', 0o600)
      try {
        await file.writeFile(pem)
        await file.sync()
      } finally {
        await file.close()
      }
      // A link, and no rename: a key that is there must not be lost, whoever put it there just now.
      await link(temporary, path)
      await syncDirectory(directory)
      return true
    } catch (error) {
      if (errnoOf(error) === 'EEXIST') return false
      throw error
    } finally {
      await rm(temporary, { force: true })
    }
  })
}

/**
 * Reads a private key, as gupper or openssl wrote it.
 * @param pipe whether it may come out of a pipe: one that was named is meant
 * @throws GupperError `config` (78) where the file holds none that can be used, or another passphrase opens it
 */
export async function readKeyFile(path: string, passphrase?: string, pipe = false): Promise<KeyObject> {
  const read = pipe ? readFile : readRegular
  const pem = (await explaining(`cannot read the key ${path}`, () => read(path), true)).toString('utf8')
  const encrypted = /^(-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(pem)
  if (encrypted && passphrase === undefined)
    throw new GupperError('config', `the key ${path} is encrypted, and no passphrase is given`, {
      hint: 'give it with --passphrase-file FILE, the variable GUPPER_PASSPHRASE, or --passphrase to be asked',
    })
  // openssl ecparam writes the curve before the key, and not every reader looks further.
  const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----/s.exec(pem)?.[0]
  if (block === undefined) throw new GupperError('config', `${path} holds no private key`)
  try {
    return createPrivateKey({ key: block, format: 'pem', ...(encrypted && { passphrase }) })
  } catch (cause) {
    const complaint = encrypted ? 'cannot be opened with this passphrase' : 'holds no key that can be read'
    const hint =
      'give the right one with --passphrase-file FILE, the variable GUPPER_PASSPHRASE, or --passphrase'
    throw new GupperError('config', `the key ${path} ${complaint}`, { cause, ...(encrypted && { hint }) })
  }
}
