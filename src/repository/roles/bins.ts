import { isDeepStrictEqual } from 'node:util'
import { binOf, delegatedNames, spokesmenOf } from '../../trust/tuf/delegation.ts'
import type { DelegatedRole, Delegations, SuccinctRoles } from '../../trust/tuf/model.ts'
import type { Draft } from '../draft.ts'
import { pickKeys, type Authority } from '../sign.ts'

/** From this many targets on they are spread: a change then costs a client a 256th of them. */
export const mostInOneFile = 511
const bits = 8

/**
 * Spreads the targets over hash bins (TAP 15), once there are many; the keys and the threshold of targets sign them. Where
 * something is delegated by name too they are written out, behind it; what somebody else may speak for stays in targets,
 * which is heard first.
 */
export async function spreadMany(draft: Draft): Promise<void> {
  const top = await draft.read('targets')
  if (top === undefined || Object.keys(top.targets).length <= mostInOneFile) return
  if (binNames(top.delegations).length > 0) return
  const { role, keys } = await draft.authorityOf('targets')
  const bins: SuccinctRoles = {
    keyids: [...role.keyids],
    threshold: role.threshold,
    bit_length: bits,
    name_prefix: 'bin',
  }
  const next = await draft.edit('targets')
  const { delegations: named } = next
  const [moved, stay] = [new Map(Object.entries(next.targets)), new Map<string, unknown>()]
  if (named !== undefined)
    for (const [file, target] of moved)
      if (spokesmenOf(named, file).length > 0) {
        stay.set(file, target)
        moved.delete(file)
      }
  next.targets = Object.fromEntries(stay) as typeof next.targets
  next.delegations = { keys: pickKeys(role.keyids, keys), succinct_roles: bins }
  // Empty ones too: a client that looks for what is not there must find the bin that says so.
  for (const name of delegatedNames(next.delegations)) await draft.edit(name)
  for (const [file, target] of moved) (await draft.edit(binOf(bins, file))).targets[file] = target
  if (named?.roles !== undefined) {
    next.delegations = writeOut(next.delegations)
    next.delegations.roles = [...named.roles, ...(next.delegations.roles ?? [])]
    next.delegations.keys = { ...named.keys, ...next.delegations.keys }
  }
}

/** The names of the hash bins, however they are written; none where targets are not spread. */
export function binNames(delegations: Delegations | undefined): string[] {
  if (delegations?.succinct_roles !== undefined) return [...delegatedNames(delegations)]
  return (delegations?.roles ?? []).filter(isBin).map(({ name }) => name)
}

/** Whether a delegated role is a hash bin that was written out. */
export function isBin({ path_hash_prefixes: prefixes }: DelegatedRole): boolean {
  return prefixes !== undefined
}

/**
 * The layout of hash bins of our making, however they are written.
 * @returns undefined where there are none: roles by hashes may be something else
 */
export function layoutOfBins({ roles = [], succinct_roles: bins }: Delegations): SuccinctRoles | undefined {
  if (bins !== undefined) return bins
  const first = roles.find((role) => isBin(role) && /.-0+$/.test(role.name))
  if (first === undefined) return undefined
  const prefix = first.name.replace(/-0+$/, '')
  const isOne = ({ name }: DelegatedRole): boolean =>
    name.startsWith(prefix) && /^-[0-9a-f]+$/.test(name.slice(prefix.length))
  const written = roles.filter((role) => isBin(role) && isOne(role))
  const { keyids, threshold } = first
  const layout = { keyids, threshold, bit_length: Math.log2(written.length), name_prefix: prefix }
  if (!Number.isInteger(layout.bit_length) || layout.bit_length < 1) return undefined
  const shape = (role: DelegatedRole): unknown => [role.name, role.terminating, role.path_hash_prefixes]
  const own = writeOut({ keys: {}, succinct_roles: layout }).roles ?? []
  return isDeepStrictEqual(written.map(shape), own.map(shape)) ? layout : undefined
}

/** Gives the bins the keys and the threshold that targets have. */
export function alignBins(delegations: Delegations, { role, keys }: Authority): void {
  const bins = delegations.succinct_roles === undefined ? [] : [delegations.succinct_roles]
  const all = [...bins, ...(delegations.roles ?? []).filter(isBin)]
  if (all.length === 0) return
  for (const bin of all) Object.assign(bin, { keyids: [...role.keyids], threshold: role.threshold })
  Object.assign(delegations.keys, pickKeys(role.keyids, keys))
  dropUnusedKeys(delegations)
}

/** Forgets the keys that no delegated role has. */
export function dropUnusedKeys(delegations: Delegations): void {
  const { roles = [], succinct_roles: bins } = delegations
  const used = [...roles, ...(bins ? [bins] : [])].flatMap(({ keyids }) => keyids)
  delegations.keys = pickKeys(used, delegations.keys)
}

/**
 * Writes succinct bins out as delegated roles of the same names, which hold the same: TUF has either the short form or
 * roles with names of their own.
 */
export function writeOut({ succinct_roles: bins, ...rest }: Delegations): Delegations {
  if (bins === undefined) return rest
  const digits = Math.ceil(bins.bit_length / 4)
  const each = 2 ** (4 * digits - bins.bit_length)
  const names = [...delegatedNames({ keys: {}, succinct_roles: bins })]
  const roles = names.map((name, number): DelegatedRole => {
    const prefixes = Array.from({ length: each }, (_, i) =>
      (number * each + i).toString(16).padStart(digits, '0'),
    )
    const { keyids, threshold } = bins
    return { name, keyids: [...keyids], threshold, terminating: true, path_hash_prefixes: prefixes }
  })
  return { ...rest, roles }
}
