import { isDeepStrictEqual } from 'node:util'
import type { DelegatedRole, Delegations, SuccinctRoles } from '../../trust/tuf/model.ts'
import { delegatedKeys } from '../../trust/tuf/delegation.ts'
import { isBin, layoutOfBins, writeOut } from '../roles/bins.ts'
import { describeKeys } from './describe-keys.ts'
import { enumerate, quoted } from './quote.ts'

/** Roles that something is delegated to: hash bins of our making, or teams. */
interface Party {
  id: string
  role: DelegatedRole
  /** The layout of the bins that this is one of, or all of. */
  bins?: SuccinctRoles
  whole?: boolean
}

/**
 * Says what changes about teams and hash bins: their keys, what they may sign, and who is asked first. Those that change
 * alike are told together.
 * @param all name all of them, however many
 */
export function describeDelegations(
  next: Delegations = { keys: {} },
  before: Delegations = { keys: {} },
  all = false,
): string[] {
  const [now, old] = [partiesOf(next, before), partiesOf(before, next)]
  const [byId, there] = [new Map(old.map((one) => [one.id, one])), new Set(now.map(({ id }) => id))]
  const told = new Map<string, Party[]>()
  const note = (party: Party, lines: readonly string[]): void => {
    const key = JSON.stringify([party.bins?.name_prefix, lines])
    if (lines.length === 0) return
    told.set(key, told.get(key) ?? [])
    told.get(key)?.push(party)
  }
  for (const party of now) {
    const was = byId.get(party.id)
    const keys = describeKeys(
      { role: party.role, keys: next.keys },
      was && { role: was.role, keys: before.keys },
    )
    note(party, was && reachesAlike(was, party) ? keys : [...keys, reachOf(party)])
  }
  for (const party of old) if (!there.has(party.id)) note(party, ['may sign nothing any more'])
  return [
    ...[...told].flatMap(([key, parties]) => {
      const [, lines] = JSON.parse(key) as [unknown, string[]]
      return lines.map((line) => `${nameOf(parties, all)} ${line}`)
    }),
    ...describeOrder(now, old),
  ]
}

function partiesOf(delegations: Delegations, other: Delegations): Party[] {
  const { succinct_roles: short } = delegations
  const bins = layoutOfBins(delegations)
  // Spelled out only to be compared with what is: somebody may write that there are four thousand million of them.
  const spelled = (other.roles ?? []).filter(isBin).length
  if (short !== undefined && spelled !== 2 ** short.bit_length) {
    const name = `${short.name_prefix}-*`
    const role = { ...short, name, terminating: true }
    return [{ id: JSON.stringify([name, short.bit_length]), role, bins: short, whole: true }]
  }
  const { roles = [] } = short === undefined ? delegations : writeOut(delegations)
  const isOurs = (role: DelegatedRole): boolean =>
    bins !== undefined &&
    isBin(role) &&
    delegatedKeys({ keys: {}, succinct_roles: bins }, role.name) !== undefined
  return roles.map((role) => ({ id: role.name, role, ...(bins && isOurs(role) && { bins }) }))
}

function nameOf(parties: readonly Party[], all: boolean): string {
  const [{ bins, whole = false } = {}] = parties
  const names = parties.map(({ role }) => quoted(role.name))
  if (bins === undefined)
    return names.length === 1 ? `the team ${names.join()}` : `each of the teams ${names.join(', ')}`
  const count = 2 ** bins.bit_length
  if (whole || parties.length === count) return `each of the ${count} hash bins ${quoted(bins.name_prefix)}-*`
  return names.length === 1
    ? `the hash bin ${names.join()}`
    : `each of the hash bins ${enumerate(names, all)}`
}

function reachesAlike(one: Party, other: Party): boolean {
  const [a, b] = [one, other].map(({ role, whole }) => [
    ...[role.paths, role.path_hash_prefixes, role.terminating],
    whole === true,
  ])
  return isDeepStrictEqual(a, b)
}

function reachOf({ role, bins }: Party): string {
  const { paths, path_hash_prefixes: prefixes = [], terminating } = role
  if (bins !== undefined)
    return `may sign one of ${2 ** bins.bit_length} parts of the packages, by the hashes of their names`
  const by = `the packages whose names have hashes that begin with ${prefixes.map(quoted).join(' ')}`
  // What reaches far is short.
  const named = paths?.toSorted((a, b) => a.length - b.length).map(quoted)
  const reach = named?.join(' ') ?? (prefixes.includes('') ? 'every package, whatever its name' : by)
  return `may sign ${reach}${terminating ? ', and nobody after it' : ''}`
}

// Of several who may sign a package the first is believed; who comes last has taken nothing from anybody.
function describeOrder(now: readonly Party[], old: readonly Party[]): string[] {
  const sequence = (parties: readonly Party[]): string[] =>
    parties
      .map(({ role, bins }) => (bins === undefined ? `the team ${quoted(role.name)}` : 'the hash bins'))
      .filter((name, at, names) => name !== names[at - 1])
  const [next, before] = [sequence(now), sequence(old)]
  const isBins = (name: string): boolean => name === 'the hash bins'
  const kept = before.filter((name) => next.includes(name))
  const fresh = next.filter((name) => !before.includes(name))
  const usual = [...kept, ...fresh].toSorted((a, b) => Number(isBins(a)) - Number(isBins(b)))
  if ([usual, kept].some((one) => isDeepStrictEqual(one, next))) return []
  return [`they are asked in this order: ${next.join(', ')}`]
}
