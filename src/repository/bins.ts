import { binOf, delegatedNames } from '../trust/tuf/delegation.ts'
import type { SuccinctRoles } from '../trust/tuf/model.ts'
import type { Draft } from './draft.ts'
import { pickKeys } from './sign.ts'

/** From this many targets on they are spread: a change then costs a client a 256th of them. */
export const mostInOneFile = 511
const bits = 8

/**
 * Spreads the targets over hash bins (TAP 15), once there are many; the keys and the threshold of targets sign them. Where
 * targets delegates by name they stay together, since TUF has only one kind of delegation for a role.
 */
export async function spreadMany(draft: Draft): Promise<void> {
  const top = await draft.read('targets')
  if (top === undefined || Object.keys(top.targets).length <= mostInOneFile) return
  if (top.delegations !== undefined) return
  const { role, keys } = await draft.authorityOf('targets')
  const bins: SuccinctRoles = {
    keyids: [...role.keyids],
    threshold: role.threshold,
    bit_length: bits,
    name_prefix: 'bin',
  }
  const next = await draft.edit('targets')
  const moved = Object.entries(next.targets)
  next.targets = {}
  next.delegations = { keys: pickKeys(role.keyids, keys), succinct_roles: bins }
  // Empty ones too: a client that looks for what is not there must find the bin that says so.
  for (const name of delegatedNames(next.delegations)) await draft.edit(name)
  for (const [file, target] of moved) (await draft.edit(binOf(bins, file))).targets[file] = target
}
