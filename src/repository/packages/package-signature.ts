import { sign } from 'node:crypto'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GupperError, errnoOf, explaining } from '../../errors.ts'
import type { Observer } from '../../package/observer.ts'
import { syncDirectory } from '../../store/durable.ts'
import { temporaryName } from '../../store/pack-leftovers.ts'
import { readRegular } from '../../store/read-regular.ts'
import { measure } from '../../trust/measure.ts'
import { checkSignature, parseKey, parseSignature } from '../../trust/minisign.ts'
import { writePart } from '../commit.ts'
import type { MinisignSecret } from '../keys/minisign-key.ts'
import type { Staged } from './stage.ts'

/** The signature of a package by minisign, made and not yet written. */
export interface PackageSignature {
  secret: MinisignSecret
  /** The package's file name. */
  file: string
  /** BLAKE2b-512 of its bytes. */
  message: Buffer
  /** The signature file. */
  text: string
}

/**
 * Makes the signatures of packages.
 * @returns by the packages' staged bytes
 * @throws GupperError `cannot-read` (69)
 */
export async function signPackages(
  staged: readonly Staged[],
  secret: MinisignSecret,
  options: { now: Date; signal?: AbortSignal | undefined },
): Promise<Map<Staged, PackageSignature>> {
  const made = new Map<Staged, PackageSignature>()
  for (const one of staged) {
    const { file } = one.record
    const { digest, blake2b } = await measure(one.temporary, { blake2b: true, signal: options.signal })
    if (digest !== `sha256:${one.hash}` || blake2b === undefined)
      throw new GupperError('bug', `${file} was changed while it was published`)
    made.set(one, { secret, file, message: blake2b, text: makeSignature(secret, file, blake2b, options.now) })
  }
  return made
}

/**
 * Makes a signature file as `minisign -S` does (https://jedisct1.github.io/minisign/, "Signature format"): prehashed, with
 * the time and the file's name in the trusted comment.
 * @param message BLAKE2b-512 of the bytes
 */
export function makeSignature(secret: MinisignSecret, file: string, message: Buffer, now: Date): string {
  const { number, half } = secret
  const signature = sign(null, message, half)
  const comment = `timestamp:${Math.floor(now.getTime() / 1000)}\tfile:${file}\thashed`
  const global = sign(null, Buffer.concat([signature, Buffer.from(comment)]), half)
  return [
    'untrusted comment: signature from minisign secret key',
    Buffer.concat([Buffer.from('ED'), number, signature]).toString('base64'),
    `trusted comment: ${comment}`,
    `${global.toString('base64')}\n`,
  ].join('\n')
}

/**
 * Writes a signature, whole or not at all, unless one by the same key for the same bytes and name is there.
 * @param path the signature file
 * @param staging a directory on the same volume
 * @returns whether it was written
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writeSignature(
  path: string,
  signature: PackageSignature,
  staging: string,
  observer: Observer,
): Promise<boolean> {
  const there = await explaining(`cannot write ${path}`, () => readIfThere(path))
  if (there !== undefined && holds(there, signature, path)) return false
  if (there !== undefined)
    observer.warn(`${path} was not made with this key over these bytes, and is replaced`)
  const temporary = join(staging, temporaryName())
  try {
    await writePart(temporary, Buffer.from(signature.text))
    await explaining(`cannot write ${path}`, async () => {
      await rename(temporary, path)
      await syncDirectory(dirname(path))
    })
  } finally {
    await rm(temporary, { force: true })
  }
  return true
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegular(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function holds(bytes: Buffer, { secret, message, file }: PackageSignature, path: string): boolean {
  try {
    const found = parseSignature(bytes, path)
    checkSignature(found, parseKey(secret.public, secret.path), message, path)
    // A comment of the publisher's own, without a name, is as good.
    const [, name = file] = /(?:^|\t)file:([^\t]+)/.exec(found.comment) ?? []
    return found.prehashed && name === file
  } catch {
    return false
  }
}
