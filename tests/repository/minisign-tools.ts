import { createHash, randomBytes, scryptSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'vitest'
import { blake2b256 } from '../../src/repository/keys/blake2b.ts'
import { makeKey } from '../../src/repository/keys/key-file.ts'
import { checkSignature, parseKey, parseSignature } from '../../src/trust/minisign.ts'

/** The bytes of a secret key file, as minisign.h of minisign 0.11 lays them out. */
export function makeSecret({
  passphrase,
  ops = 32_768n,
  memory = 16n << 20n,
}: { passphrase?: string; ops?: bigint; memory?: bigint } = {}): Buffer {
  const jwk = makeKey('ed25519').export({ format: 'jwk' })
  const key = Buffer.concat([
    randomBytes(8),
    Buffer.from(jwk.d ?? '', 'base64url'),
    Buffer.from(jwk.x ?? '', 'base64url'),
  ])
  if (passphrase === undefined)
    return Buffer.concat([Buffer.from('Ed\0\0B2', 'latin1'), Buffer.alloc(48), key, Buffer.alloc(32)])
  const salt = randomBytes(32)
  const limits = Buffer.alloc(16)
  limits.writeBigUInt64LE(ops)
  limits.writeBigUInt64LE(memory, 8)
  const plain = Buffer.concat([key, blake2b256(Buffer.concat([Buffer.from('Ed'), key]))])
  const stream = scryptSync(passphrase, salt, plain.length, { N: 1024, r: 8, p: 1 })
  const locked = plain.map((byte, at) => byte ^ (stream[at] ?? 0))
  return Buffer.concat([Buffer.from('EdScB2'), salt, limits, locked])
}

/** Writes such a file for its owner only. */
export async function writeSecret(dir: string, bytes: Buffer, name = 'minisign.key'): Promise<string> {
  const file = path.join(dir, name)
  await writeFile(file, `untrusted comment: a secret key\n${bytes.toString('base64')}\n`, { mode: 0o600 })
  return file
}

/** Holds a signature file against bytes with our own reader; gives its trusted comment. */
export async function checkMinisig(file: string, key: string): Promise<string> {
  const signature = parseSignature(await readFile(`${file}.minisig`), file)
  const message = createHash('blake2b512')
    .update(await readFile(file))
    .digest()
  checkSignature(signature, parseKey(key, 'key'), message, file)
  expect(signature.prehashed).toBe(true)
  return signature.comment
}

/** Where the bytes of a published file are. */
export async function findTarget(repo: string, file: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(path.join(repo, file)))
    .digest('hex')
  return path.join(repo, 'targets', `${hash}.${file}`)
}
