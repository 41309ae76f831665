import { constants, createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { canonical } from './canonical.ts'

export interface PublicKey {
  keytype: string
  scheme: string
  keyval: { public: string }
  [more: string]: unknown
}

export interface Signer {
  id: string
  key: PublicKey
  /** The signature over some bytes, in hexadecimal. */
  sign(bytes: Buffer): string
}

export const schemes = ['ed25519', 'ecdsa-sha2-nistp256', 'rsassa-pss-sha256', 'rsa-pkcs1v15-sha256'] as const
export type Scheme = (typeof schemes)[number]

interface Pair {
  publicKey: KeyObject
  privateKey: KeyObject
}

let rsaPairs: Pair[] | undefined

// RSA keys take a tenth of a second each to make, so all tests of a process share two of them.
function rsaPair(turn: number): Pair {
  rsaPairs ??= [0, 1].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }))
  return rsaPairs[turn % 2] ?? fail()
}

let made = 0

/**
 * A signer with a key of its own; of RSA keys every second one is the same.
 * @param more fields that stand in the public key and that its id is made over
 */
export function makeSigner(
  scheme: Scheme = 'ecdsa-sha2-nistp256',
  more: Record<string, unknown> = {},
): Signer {
  if (scheme === 'ed25519') {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    const raw = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32).toString('hex')
    return signer({ keytype: 'ed25519', scheme, keyval: { public: raw }, ...more }, (bytes) =>
      sign(null, bytes, privateKey),
    )
  }
  if (scheme === 'ecdsa-sha2-nistp256') {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
    return signer({ keytype: 'ecdsa', scheme, keyval: { public: pem(publicKey) }, ...more }, (bytes) =>
      sign('sha256', bytes, privateKey),
    )
  }
  const { publicKey, privateKey } = rsaPair(made++)
  const padding =
    scheme === 'rsassa-pss-sha256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }
      : { padding: constants.RSA_PKCS1_PADDING }
  return signer({ keytype: 'rsa', scheme, keyval: { public: pem(publicKey) }, ...more }, (bytes) =>
    sign('sha256', bytes, { key: privateKey, ...padding }),
  )
}

/** The same key under another name, as it is when a field is added to it. */
export function renamed(one: Signer, more: Record<string, unknown>): Signer {
  const key = { ...one.key, ...more }
  return { ...one, key, id: idOf(key) }
}

const signer = (key: PublicKey, work: (bytes: Buffer) => Buffer): Signer => ({
  id: idOf(key),
  key,
  sign: (bytes) => work(bytes).toString('hex'),
})

const idOf = (key: PublicKey): string => createHash('sha256').update(canonical(key)).digest('hex')
const pem = (key: KeyObject): string =>
  key.export<{ type: 'spki'; format: 'pem' }>({ type: 'spki', format: 'pem' })

function fail(): never {
  throw new Error('no key')
}
