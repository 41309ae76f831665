import { isDeepStrictEqual } from 'node:util'
import { GupperError } from '../../errors.ts'
import { keyIdOf } from '../../trust/tuf/key.ts'
import type { Envelope, Keys, Root, Targets } from '../../trust/tuf/model.ts'
import { quoted } from './quote.ts'
import type { Waiting } from './file.ts'

const doNotSign = 'do not sign it; ask whoever made it, and have the change made again'

/**
 * Refuses metadata in which an id stands for a key that it is not the id of (TUF 1.0.34, section 4.2): signers read ids,
 * and would not see that it is another key. Repositories of other houses may have ids of their own (TAP 12).
 * @param known keys that are known under the ids they have
 * @throws GupperError `untrusted` (77)
 */
export function demandTrueIds({ envelope }: Waiting, known: readonly Keys[], what: string): void {
  for (const [id, key] of Object.entries(keysIn(envelope))) {
    const stands = known.some((keys) => Object.hasOwn(keys, id) && isDeepStrictEqual(keys[id], key))
    if (!stands && keyIdOf(key) !== id)
      throw new GupperError('untrusted', `${what} has another key under the id ${quoted(id)}`, {
        hint: 'ask whoever made it; if that is how its repository writes ids, sign it there: gupper trust sign REPO FILE',
      })
  }
}

/** The keys that metadata gives to others. */
export function keysIn({ signed }: Envelope<Root> | Envelope<Targets>): Keys {
  return signed._type === 'root' ? signed.keys : (signed.delegations?.keys ?? {})
}

/**
 * Refuses metadata that is not the version after what it is compared with: an older one may be as genuine, and hides what
 * was changed since.
 * @param last the version that it is to follow on
 * @throws GupperError `untrusted` (77)
 */
export function demandFollows({ role, envelope }: Waiting, last: number, what: string): void {
  const { version } = envelope.signed
  if (version === last + 1) return
  throw new GupperError(
    'untrusted',
    last === 0
      ? `${what} is version ${version} of ${quoted(role)}, but does not say what it replaces`
      : `${what} is version ${version} of ${quoted(role)}, but compares itself with version ${last}`,
    { hint: doNotSign },
  )
}
