import { open } from 'node:fs/promises'
import { GupperError, explaining } from '../../errors.ts'
import { checkSignature, identityOf, readPublicKey } from '../../trust/tuf/key.ts'
import type { PublicKey } from '../../trust/tuf/model.ts'
import { signedBytes } from '../../trust/tuf/threshold.ts'
import type { NamedKey } from '../roles/key-change.ts'
import type { Waiting } from './file.ts'
import { readPublicFile } from '../keys/public-key.ts'

/** A signature that was made elsewhere: by openssl, a smartcard, an HSM. */
export interface OutsideSignature {
  key: NamedKey
  /** As the key's kind has it: 64 bytes of Ed25519, DER of ECDSA (RFC 3279, 2.2.3), RSA's own. */
  bytes: Buffer
  /** The file it is from. */
  path: string
}

const largest = 4 << 10 // bytes; RSA of 16 Kibit has half of that

/**
 * Reads such a signature, and the public half of the key that made it.
 * @param path the file of the signature, nothing but its bytes
 * @param publicPath SPKI in PEM, as `openssl pkey -pubout` writes it
 * @throws GupperError `config` (78), `cannot-read` (69)
 */
export async function readOutsideSignature(path: string, publicPath: string): Promise<OutsideSignature> {
  const key = await readPublicFile(publicPath)
  const bytes = await explaining(
    `cannot read the signature ${path}`,
    async () => {
      await using file = await open(path, 'r')
      const { buffer, bytesRead } = await file.read(Buffer.alloc(largest + 1), 0, largest + 1)
      return buffer.subarray(0, bytesRead)
    },
    true,
  )
  if (bytes.length === 0 || bytes.length > largest)
    throw new GupperError(
      'config',
      `${path} is not a signature: it has ${bytes.length === 0 ? 'no' : 'too many'} bytes`,
    )
  return { key, bytes, path }
}

/**
 * Adds the signature to what it was made over, which it finds by itself.
 * @param signed what waits, and what became of it so far
 * @throws GupperError `config` (78) for a key that signs none of it, `untrusted` (77) for a signature that does not hold
 */
export function addOutsideSignature(
  signed: ReadonlyMap<Waiting, Waiting>,
  outside: OutsideSignature,
): Map<Waiting, Waiting> {
  const results = new Map(signed)
  let held = false
  const asked: Waiting[] = []
  for (const [one, next] of signed) {
    const found = findIds(next, outside.key.key)
    if (found.size > 0) asked.push(one)
    for (const [id, key] of found) {
      const sig = outside.bytes.toString('hex')
      if (!checkSignature(key, signedBytes(next.envelope), sig)) continue
      held = true
      results.set(one, withSignature(next, id, sig))
    }
  }
  if (held || signed.size === 0) return results
  const roles = (asked.length > 0 ? asked : [...signed.keys()]).map(({ role }) => role).join(' and ')
  if (asked.length === 0)
    throw new GupperError('config', `the key ${outside.key.id.slice(0, 8)} may not sign ${roles}`, {
      hint: 'gupper trust status says whose signatures are missing',
    })
  throw new GupperError(
    'untrusted',
    `${outside.path} is no signature of ${roles} by the key ${outside.key.id.slice(0, 8)}`,
    {
      hint:
        'sign exactly what `gupper trust sign FILE --bytes` writes, with SHA-256 for ECDSA on P-256 and for RSA, ' +
        'which is padded by PSS; the signature is binary',
    },
  )
}

function findIds({ authorities }: Waiting, wanted: PublicKey): Map<string, PublicKey> {
  const identity = identityOf(readPublicKey(wanted).key)
  const found = new Map<string, PublicKey>()
  for (const { role, keys } of authorities)
    for (const id of role.keyids) {
      const key = Object.hasOwn(keys, id) ? keys[id] : undefined
      if (key !== undefined && isSame(key, identity)) found.set(id, key)
    }
  return found
}

function isSame(key: PublicKey, identity: string): boolean {
  try {
    return identityOf(readPublicKey(key).key) === identity
  } catch {
    return false
  }
}

function withSignature(one: Waiting, keyid: string, sig: string): Waiting {
  const { envelope } = one
  // What is there was held already, and stays: the same again changes nothing.
  if (envelope.signatures.some((old) => old.keyid === keyid)) return one
  const signatures = [...envelope.signatures, { keyid, sig }]
  return { ...one, envelope: { ...envelope, signatures } }
}
