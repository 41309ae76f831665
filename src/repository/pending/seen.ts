import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GupperError } from '../../errors.ts'
import type { Envelope, Targets } from '../../trust/tuf/model.ts'
import { signersOf } from '../../trust/tuf/threshold.ts'
import { findKey, type Keyring } from '../keys/keyring.ts'
import { metadataName, type Layout } from '../layout.ts'
import { countKeys, type Authority } from '../sign.ts'
import { quoted } from './quote.ts'

/**
 * Whether a change may be built on what waits with the keys at hand: they sign all of it then. Whoever can write to the
 * repository can let something wait, and whoever has one key of several something signed; so one of the keys at hand must have
 * signed it, as its owner does who has made or read it. Without a key there is nothing to be lent.
 */
export function isSeen(waiting: Envelope, { role, keys }: Authority, keyring: Keyring): boolean {
  if (countKeys({ role, keys }, keyring) === 0) return true
  return signersOf(role, keys, waiting).some((id) => {
    const key = Object.hasOwn(keys, id) ? keys[id] : undefined
    return key !== undefined && findKey(keyring, key) !== undefined
  })
}

/** Whether what waits differs from what is committed in its number and its life at most. */
export function saysNothingNew(waiting: Targets, committed: Targets | undefined): boolean {
  const { spec_version, version, expires } = waiting
  const before = committed ?? { _type: 'targets' as const, targets: {} }
  return isDeepStrictEqual(waiting, { ...before, spec_version, version, expires })
}

/** The complaint that what waits was not, see {@link isSeen}. */
export function unseen(layout: Layout, role: string, { signed }: Envelope): GupperError {
  const path = join(layout.pending, metadataName(role, signed.version))
  const message = `something waits for signatures in ${quoted(role)} that none of your keys has signed, and this would sign it too`
  return new GupperError('conflict', message, {
    hint: `read and sign it first: gupper trust sign ${layout.root} --keys DIR; or take it away: rm '${path}'`,
  })
}
