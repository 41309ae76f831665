import { createPublicKey, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GupperError, explaining } from '../../errors.ts'
import { openDirectory, writeDurably } from '../../store/durable.ts'
import { temporaryName } from '../../store/pack-leftovers.ts'
import { readRegular } from '../../store/read-regular.ts'
import { keyIdOf, publicKeyOf } from '../../trust/tuf/key.ts'
import type { NamedKey } from '../roles/key-change.ts'
import { demandOutside } from './outside.ts'
import { ownKey, type OwnOptions } from './own-keys.ts'

/**
 * Reads a public key, as `gupper trust key` or `openssl pkey -pubout` writes it (SPKI in PEM, RFC 7468).
 * @throws GupperError `usage` (64) for a private key, `config` (78) where there is none that can be used
 */
export async function readPublicFile(path: string): Promise<NamedKey> {
  const text = await explaining(`cannot read the key ${path}`, () => readFile(path, 'utf8'), true)
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text))
    throw new GupperError('usage', `${path} is a private key, which nobody else should have`, {
      hint: 'give its public half: gupper trust key FILE writes it to FILE.pub',
    })
  const block = /-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----/s.exec(text)?.[0]
  const key = block === undefined ? undefined : tryParse(block)
  if (key === undefined) throw new GupperError('config', `${path} holds no public key that can be used here`)
  return { id: keyIdOf(key), key }
}

function tryParse(block: string): ReturnType<typeof publicKeyOf> {
  try {
    return publicKeyOf(createPublicKey(block))
  } catch {
    return undefined
  }
}

/** A private key and its public half, as files. */
export interface KeyFiles {
  keyid: string
  /** The private key. */
  path: string
  /** Its public half, to be given to others. */
  public: string
  made: boolean
}

/**
 * Makes a private key outside of any repository, and writes its public half beside it: FILE.pem and FILE.pub. A key that
 * is there is left as it is.
 * @throws GupperError `usage` (64) for a directory or a place in a repository, `config` (78) where the file is no key that can be used, `cannot-write` (73)
 */
export async function makeKeyFiles(path: string, options: OwnOptions): Promise<KeyFiles> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory() === true)
    throw new GupperError('usage', `${path} is a directory`, {
      hint: `name the file: ${join(path, 'root.pem')}`,
    })
  if (!path.endsWith('.pem'))
    throw new GupperError('usage', `the key ${path} would not be found again`, {
      hint: 'let its name end in .pem',
    })
  const directory = dirname(path)
  await explaining(`cannot write ${path}`, () => demandOutside(directory))
  await openDirectory(directory, 0o700)
  const { half, id, made } = await ownKey(path, options)
  const out = path.replace(/\.pem$/, '.pub')
  await writePublicFile(out, half)
  return { keyid: id, path, public: out, made }
}

async function writePublicFile(path: string, half: KeyObject): Promise<void> {
  const pem = createPublicKey(half).export({ type: 'spki', format: 'pem' })
  const there = await readRegular(path).catch(() => undefined)
  if (there?.toString('utf8') !== pem) await writeDurably(path, pem, join(dirname(path), temporaryName()))
}
