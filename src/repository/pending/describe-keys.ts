import { isDeepStrictEqual } from 'node:util'
import { identitiesOf } from '../../trust/tuf/threshold.ts'
import { shortId } from '../roles/key-change.ts'
import type { Authority } from '../sign.ts'
import { quoted } from './quote.ts'

/**
 * Says how the keys of a role change, each as what follows on its name. All are named: one key more may sign it all.
 * @param next who may sign it
 * @param before who could, if it was there
 */
export function describeKeys(next: Authority, before: Authority | undefined): string[] {
  const gained = next.role.keyids.filter((id) => !holds(before, id, next))
  const lost = before?.role.keyids.filter((id) => !holds(next, id, before)) ?? []
  const count = identitiesOf(next.role.keyids, next.keys).size
  const { threshold } = next.role
  const was = before?.role.threshold
  const lines = [...tell('gets', gained, next), ...(before ? tell('loses', lost, before) : [])]
  if (lines.length > 0 || was !== threshold)
    lines.push(
      `needs ${threshold} of its ${count} ${count === 1 ? 'key' : 'keys'}${was === undefined || was === threshold ? '' : `, no longer ${was}`}`,
    )
  return lines
}

// A key is what it is, not what it is called.
function holds(authority: Authority | undefined, id: string, { keys }: Authority): boolean {
  if (authority?.role.keyids.includes(id) !== true) return false
  return isDeepStrictEqual(keyOf(authority, id), keyOf({ keys }, id))
}

function keyOf({ keys }: Pick<Authority, 'keys'>, id: string) {
  return Object.hasOwn(keys, id) ? keys[id] : undefined
}

function tell(verb: string, ids: readonly string[], authority: Authority): string[] {
  if (ids.length === 0) return []
  const say = (id: string): string =>
    `${quoted(shortId(id))} (${quoted(keyOf(authority, id)?.keytype ?? 'unknown')})`
  return [`${verb} the key${ids.length === 1 ? '' : 's'} ${ids.map(say).join(', ')}`]
}
