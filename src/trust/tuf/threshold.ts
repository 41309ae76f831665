import { GupperError } from '../../errors.ts'
import { canonicalize } from './canonical.ts'
import { checkSignature, identityOf, readPublicKey } from './key.ts'
import type { Envelope, Keys, RoleKeys } from './model.ts'

/**
 * The ids of the keys of a role that have signed; a key that stands under two ids counts once.
 * @param role who may sign
 * @param keys the keys, as the one who delegates writes them
 */
export function signersOf(role: RoleKeys, keys: Keys, envelope: Envelope): string[] {
  const bytes = signedBytes(envelope)
  const counted = new Set<string>()
  const signers: string[] = []
  for (const keyid of role.keyids) {
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined
    const signature = envelope.signatures.find((one) => one.keyid === keyid)
    if (key === undefined || signature === undefined) continue
    if (!checkSignature(key, bytes, signature.sig)) continue
    const identity = identityOf(readPublicKey(key).key)
    if (counted.has(identity)) continue
    counted.add(identity)
    signers.push(keyid)
  }
  return signers
}

/** What some keys are, however they are written and whatever their ids; without those that cannot be used. */
export function identitiesOf(keyids: readonly string[], keys: Keys): Set<string> {
  const identities = new Set<string>()
  for (const keyid of keyids) {
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined
    try {
      if (key !== undefined) identities.add(identityOf(readPublicKey(key).key))
    } catch {
      // A key of a kind that is not known here signs nothing.
    }
  }
  return identities
}

/**
 * Refuses metadata that fewer than a threshold of its role's keys have signed (TUF 1.0.34, sections 5.3.4, 5.4.2,
 * 5.5.3 and 5.6.3).
 * @param what the file, for people
 * @throws GupperError `untrusted` (77)
 */
export function demandThreshold(role: RoleKeys, keys: Keys, envelope: Envelope, what: string): void {
  const count = signersOf(role, keys, envelope).length
  if (count >= role.threshold) return
  throw new GupperError(
    'untrusted',
    `${what} is signed by ${count} of its keys, but ${role.threshold} must sign it`,
  )
}

/**
 * The bytes that signatures of a file are made over.
 * @throws GupperError `untrusted` where it says what canonical JSON cannot
 */
export function signedBytes({ signed }: Envelope): Buffer {
  try {
    return Buffer.from(canonicalize(signed))
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new GupperError('untrusted', `metadata cannot be signed: ${cause.message}`, { cause })
  }
}
