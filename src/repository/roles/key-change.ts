import { GupperError } from '../../errors.ts'
import type { PublicKey } from '../../trust/tuf/model.ts'
import { identitiesOf } from '../../trust/tuf/threshold.ts'
import type { Authority } from '../sign.ts'

/** A public key and its id. */
export interface NamedKey {
  id: string
  key: PublicKey
}

/** What to change about the keys of a role. */
export interface KeyChange {
  /** Keys that the role gets. */
  add?: readonly NamedKey[]
  /** Keys that it loses, by id, by the beginning of an id, or as a key; `true`: all that it has. */
  remove?: readonly (string | NamedKey)[] | true
  threshold?: number | undefined
}

/**
 * Changes who may sign a role, in place.
 * @param name the role, for people
 * @throws GupperError `usage` (64) for a key that the role does not have, or where its threshold could not be reached any more
 */
export function changeKeys(name: string, { role, keys }: Authority, change: KeyChange): void {
  const { add = [], remove = [], threshold = role.threshold } = change
  const news = new Set(add.map(({ id }) => id))
  const gone =
    remove === true
      ? role.keyids.filter((id) => !news.has(id))
      : remove.map((word) => findKeyId(name, role.keyids, word))
  role.keyids = [...new Set([...role.keyids.filter((id) => !gone.includes(id)), ...news])]
  for (const { id, key } of add) keys[id] = key
  role.threshold = threshold
  demandReachable(name, { role, keys })
}

/** @throws GupperError `usage` (64) where a role's threshold cannot be reached by its keys, each counted once */
export function demandReachable(name: string, { role, keys }: Authority): void {
  const count = identitiesOf(role.keyids, keys).size
  if (role.threshold >= 1 && role.threshold <= count) return
  throw new GupperError(
    'usage',
    `the role ${name} would have ${count} ${count === 1 ? 'key' : 'keys'}, but ${role.threshold} must sign`,
    { hint: 'add a key first (gupper trust add-key), or lower the threshold (gupper trust threshold)' },
  )
}

/**
 * Finds a key of a role.
 * @param word its id, the beginning of it (4 characters or more), or the key itself
 * @throws GupperError `usage` (64) where it is none, or more than one
 */
export function findKeyId(name: string, keyids: readonly string[], word: string | NamedKey): string {
  const wanted = typeof word === 'string' ? word.toLowerCase() : word.id
  const found = wanted.length < 4 ? [] : keyids.filter((id) => id.toLowerCase().startsWith(wanted))
  const [id, ...more] = found
  if (id !== undefined && more.length === 0) return id
  throw new GupperError(
    'usage',
    found.length > 1 ? `several keys of ${name} begin with ${wanted}` : `${name} has no key ${wanted}`,
    { hint: `its keys: ${keyids.map(shortId).join(', ')}` },
  )
}

/** An id as people read it. */
export function shortId(id: string): string {
  return id.slice(0, 8)
}
