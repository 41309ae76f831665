import { sign, type KeyObject } from 'node:crypto'
import { GupperError } from '../errors.ts'
import { padding, readPublicKey } from '../trust/tuf/key.ts'
import type { Envelope, Keys, PublicKey, RoleKeys, Signature, Signed } from '../trust/tuf/model.ts'
import { signedBytes, signersOf } from '../trust/tuf/threshold.ts'
import { findKey, type Keyring } from './keys/keyring.ts'
import { quoted } from './pending/quote.ts'

/** Who may sign a role: as its delegator writes it. */
export interface Authority {
  role: RoleKeys
  keys: Keys
}

const saltAsLongAsTheHash = -1

/** Signs bytes with one key, as its scheme says; hexadecimal. */
export function signBytes(key: PublicKey, half: KeyObject, bytes: Buffer): string {
  const { scheme } = readPublicKey(key)
  const how = {
    key: half,
    ...(scheme.padding !== undefined && { padding: scheme.padding }),
    ...(scheme.padding === padding.pss && { saltLength: saltAsLongAsTheHash }),
  }
  return sign(scheme.hash ?? null, bytes, how).toString('hex')
}

/**
 * Adds the signatures of all keys at hand to those that are there; ones that do not hold are dropped.
 * @returns a new envelope
 */
export function signWith<T extends Signed>(
  envelope: Envelope<T>,
  authority: Authority,
  keyring: Keyring,
): Envelope<T> {
  const bytes = signedBytes(envelope)
  const standing = new Set(signersOf(authority.role, authority.keys, envelope))
  const signatures: Signature[] = envelope.signatures.filter(({ keyid }) => standing.has(keyid))
  for (const { id, key } of keysOf(authority)) {
    const own = standing.has(id) ? undefined : findKey(keyring, key)
    if (own !== undefined) signatures.push({ keyid: id, sig: signBytes(key, own.half, bytes) })
  }
  return { ...envelope, signatures }
}

/** How many signatures an envelope still lacks. */
export function lackOf(envelope: Envelope, { role, keys }: Authority): number {
  return Math.max(0, role.threshold - signersOf(role, keys, envelope).length)
}

/** How many of a role's keys are at hand. */
export function countKeys(authority: Authority, keyring: Keyring): number {
  return keysOf(authority).filter(({ key }) => findKey(keyring, key) !== undefined).length
}

/** Whether the keys at hand are enough to sign for a role. */
export function canSign(authority: Authority, keyring: Keyring): boolean {
  return countKeys(authority, keyring) >= authority.role.threshold
}

function keysOf({ role, keys }: Authority): { id: string; key: PublicKey }[] {
  return role.keyids.flatMap((id) => {
    const key = Object.hasOwn(keys, id) ? keys[id] : undefined
    return key === undefined ? [] : [{ id, key }]
  })
}

/** Everybody who may sign for one of two; the threshold is the first's. */
export function unite(one: Authority, other: Authority): Authority {
  const keyids = [...new Set([...one.role.keyids, ...other.role.keyids])]
  return { role: { ...one.role, keyids }, keys: { ...other.keys, ...one.keys } }
}

/** Those of some keys that have these ids. */
export function pickKeys(ids: readonly string[], keys: Keys): Keys {
  return Object.fromEntries(Object.entries(keys).filter(([id]) => ids.includes(id)))
}

/** The complaint that a role's keys are not at hand. */
export function missingKey(name: string, { role }: Authority, keyring: Keyring): GupperError {
  const { places, troubles } = keyring
  const ids = role.keyids.map(quoted).join(', ')
  const wanted = role.keyids.length === 1 ? ids : `${role.threshold} of ${ids}`
  const where = places.length === 0 ? 'no keys are given' : `none of its keys is in ${places.join(', ')}`
  const [trouble] = troubles
  const locked = troubles.find(({ hint }) => hint.includes('--passphrase'))
  const hint =
    places.length === 0 ? 'name the directory of your keys: --keys DIR' : 'add its directory: --keys DIR'
  return new GupperError(
    'config',
    `cannot sign for the role ${quoted(name)}: ${where}; it takes ${wanted}${trouble === undefined ? '' : ` (${troubles.map(({ message }) => message).join('; ')})`}`,
    { hint: locked?.hint ?? hint },
  )
}
