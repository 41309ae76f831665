import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto'
import { canonicalize } from './canonical.ts'
import type { PublicKey } from './model.ts'

// node:crypto's constants, which an import of them would load at every start.
export const padding = { pkcs1: 1, pss: 6 }
const saltOfAnyLength = -2

interface Scheme {
  /** Node's name of the kind of key. */
  type: string
  keytypes: readonly string[]
  hash?: string
  curve?: string
  padding?: number
}

const ecdsa = (hash: string, curve: string, scheme: string): Scheme => ({
  type: 'ec',
  keytypes: ['ecdsa', scheme],
  hash,
  curve,
})
const rsa = (kind: number, hash: string): Scheme => ({ type: 'rsa', keytypes: ['rsa'], hash, padding: kind })

const schemes: ReadonlyMap<string, Scheme> = new Map([
  ['ed25519', { type: 'ed25519', keytypes: ['ed25519'] }],
  ['ecdsa-sha2-nistp256', ecdsa('sha256', 'prime256v1', 'ecdsa-sha2-nistp256')],
  ['ecdsa-sha2-nistp384', ecdsa('sha384', 'secp384r1', 'ecdsa-sha2-nistp384')],
  ['rsassa-pss-sha256', rsa(padding.pss, 'sha256')],
  ['rsassa-pss-sha384', rsa(padding.pss, 'sha384')],
  ['rsassa-pss-sha512', rsa(padding.pss, 'sha512')],
  ['rsa-pkcs1v15-sha256', rsa(padding.pkcs1, 'sha256')],
  ['rsa-pkcs1v15-sha384', rsa(padding.pkcs1, 'sha384')],
  ['rsa-pkcs1v15-sha512', rsa(padding.pkcs1, 'sha512')],
])

/** The id of a key: SHA-256 of its canonical JSON, in hexadecimal (TUF 1.0.34, section 4.2). */
export function keyIdOf(key: PublicKey): string {
  return createHash('sha256').update(canonicalize(key)).digest('hex')
}

/**
 * Writes a public key as TUF does: ed25519 in hexadecimal, everything else as PEM.
 * @param key the public or private half
 * @returns undefined for a kind of key that TUF has no scheme for; RSA gets PSS with SHA-256
 */
export function publicKeyOf(key: KeyObject): PublicKey | undefined {
  const half = key.type === 'private' ? createPublicKey(key) : key
  const pem = half.export({ type: 'spki', format: 'pem' })
  if (half.asymmetricKeyType === 'ed25519') {
    const raw = half.export({ type: 'spki', format: 'der' }).subarray(-32)
    return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: raw.toString('hex') } }
  }
  if (half.asymmetricKeyType === 'rsa')
    return { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: pem } }
  const curve = half.asymmetricKeyDetails?.namedCurve
  for (const [scheme, { type, curve: wanted }] of schemes) {
    if (type === half.asymmetricKeyType && curve === wanted)
      return { keytype: 'ecdsa', scheme, keyval: { public: pem } }
  }
  return undefined
}

/**
 * What a key is, however it is written: neither its text nor DER tells, since PEM may be wrapped in many ways and a point
 * of a curve be written in two.
 * @param half the public or private half
 */
export function identityOf(half: KeyObject): string {
  const { kty, crv, n, e, x, y } = half.export({ format: 'jwk' })
  return createHash('sha256')
    .update(JSON.stringify([kty, crv, n, e, x, y]))
    .digest('hex')
}

/**
 * The key behind the words, so that two ways to write one key are seen to be one.
 * @throws Error where they are not those of a key that can be used
 */
export function readPublicKey({ keytype, scheme, keyval }: PublicKey): { key: KeyObject; scheme: Scheme } {
  const found = schemes.get(scheme)
  if (!found?.keytypes.includes(keytype)) throw new Error(`${keytype} with ${scheme} is not known`)
  const key = parseHalf(keyval.public, found.type)
  if (key.asymmetricKeyType !== found.type || key.asymmetricKeyDetails?.namedCurve !== found.curve)
    throw new Error(`the key does not fit ${scheme}`)
  return { key, scheme: found }
}

function parseHalf(text: string, type: string): KeyObject {
  // Only ed25519 is written raw; its form around the 32 bytes is always the same (RFC 8410).
  if (type === 'ed25519' && /^[0-9a-f]{64}$/i.test(text))
    return createPublicKey({
      key: Buffer.from(`302a300506032b6570032100${text}`, 'hex'),
      format: 'der',
      type: 'spki',
    })
  // Node would also take the public half of a private key.
  if (!text.trimStart().startsWith('-----BEGIN PUBLIC KEY-----')) throw new Error('not a public key')
  return createPublicKey(text)
}

/**
 * Whether a signature over some bytes is this key's.
 * @param signature hexadecimal
 * @throws never: a key that cannot be used has signed nothing
 */
export function checkSignature(key: PublicKey, bytes: Buffer, signature: string): boolean {
  if (!/^([0-9a-f]{2})+$/i.test(signature)) return false
  try {
    const { key: half, scheme } = readPublicKey(key)
    const how = {
      key: half,
      ...(scheme.padding !== undefined && { padding: scheme.padding }),
      ...(scheme.padding === padding.pss && { saltLength: saltOfAnyLength }),
    }
    return verify(scheme.hash ?? null, bytes, how, Buffer.from(signature, 'hex'))
  } catch {
    return false
  }
}
