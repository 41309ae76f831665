import { GupperError } from '../../errors.ts'
import { matchesPath } from '../../trust/tuf/delegation.ts'
import {
  topRoles,
  type DelegatedRole,
  type Delegations,
  type Target,
  type Targets,
} from '../../trust/tuf/model.ts'
import { binNames, isBin, writeOut } from './bins.ts'
import { writePending } from '../pending/pending.ts'
import { withContext } from '../pending/context.ts'
import type { Draft } from '../draft.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { demandReachable, type NamedKey } from './key-change.ts'
import { settlePlain } from '../packages/plain.ts'
import { changeDelegations, type RoleChanged } from './role-change.ts'

/** Who may sign which packages. */
export interface Delegation {
  name: string
  keys: readonly NamedKey[]
  /** Patterns of file names: `*`, `?` and `[…]`. */
  paths: readonly string[]
  threshold?: number | undefined
  /** Nobody after it is asked for these, neither other teams nor the bins; as it was, when not given. */
  terminating?: boolean | undefined
}

/**
 * Lets a team sign packages of some names. What targets vouches for itself goes before it, and so do teams that were
 * there before. Until the team has signed for the first time the delegation waits, since clients could not go past it.
 * @param repository the directory, REPO
 * @returns what stands, or waits
 * @throws GupperError `usage` (64) for a name, paths or keys that cannot be; `config` (78) without the key of targets; and
 * what {@link holdRepository} throws
 */
export async function delegate(
  repository: string,
  delegation: Delegation,
  options: RepositoryOptions,
): Promise<RoleChanged> {
  const { name } = delegation
  demandName(name)
  demandPaths(delegation.paths)
  return holdRepository(repository, options, async (draft) => {
    const known = (await draft.read('targets'))?.delegations
    if (known) await keepAbove(draft, known, delegation.paths)
    const changed = await changeDelegations(draft, name, (delegations) => enter(delegations, delegation))
    return { role: name, ...changed }
  })
}

function enter(delegations: Delegations, { name, keys, paths, ...more }: Delegation): void {
  Object.assign(delegations, writeOut(delegations))
  delete delegations.succinct_roles
  const roles = (delegations.roles ??= [])
  const old = roles.find((role) => role.name === name)
  const keyids = keys.length > 0 || old === undefined ? [...new Set(keys.map(({ id }) => id))] : old.keyids
  const role: DelegatedRole = {
    name,
    keyids,
    threshold: more.threshold ?? old?.threshold ?? 1,
    terminating: more.terminating ?? old?.terminating ?? false,
    paths: [...paths],
  }
  for (const { id, key } of keys) delegations.keys[id] = key
  demandReachable(name, { role, keys: delegations.keys })
  if (old !== undefined) roles[roles.indexOf(old)] = role
  else {
    const bins = roles.findIndex(isBin)
    roles.splice(bins < 0 ? roles.length : bins, 0, role)
  }
}

function demandName(name: string): void {
  const taken = ['online', ...topRoles].includes(name) || /^bin-[0-9a-f]+$/.test(name)
  if (!taken && /^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/.test(name)) return
  throw new GupperError('usage', `"${name}" cannot be the name of a team`, {
    hint: 'use letters, digits, and - . _ @ between them; the roles that every repository has keep their names',
  })
}

function demandPaths(paths: readonly string[]): void {
  if (paths.length === 0)
    throw new GupperError('usage', 'which packages may it sign?', { hint: "for example: --paths 'team-*'" })
  const wrong = paths.find((path) => path === '' || path.includes('/'))
  if (wrong !== undefined)
    throw new GupperError('usage', `"${wrong}" fits no package: targets are file names, without slashes`)
}

// What is vouched for in a bin is heard after the teams: it is said in targets too, so that it cannot be contradicted.
async function keepAbove(draft: Draft, delegations: Delegations, paths: readonly string[]): Promise<void> {
  const found: Targets['targets'] = {}
  for (const bin of binNames(delegations))
    for (const [file, target] of Object.entries((await draft.read(bin))?.targets ?? {}))
      if (paths.some((path) => matchesPath(path, file))) found[file] = target
  if (Object.keys(found).length === 0) return
  const top = await draft.edit('targets')
  top.targets = { ...found, ...top.targets }
}

/**
 * Takes a delegation back: what only that team vouched for is offered to nobody any more. Its bytes stay.
 * @throws GupperError as {@link delegate}
 */
export async function undelegate(
  repository: string,
  name: string,
  options: RepositoryOptions,
): Promise<RoleChanged> {
  return holdRepository(repository, options, async (found) => {
    const before: [string, Target][] = []
    for (const [file, target] of Object.entries((await found.readCommitted(name))?.signed.targets ?? {}))
      if ((await found.findCommitted(file))?.role === name) before.push([file, target])
    // What it had prepared is void.
    const draft = found.with({ pending: new Map([...found.pending].filter(([role]) => role !== name)) })
    if (!(await draft.knows(name)) || binNames((await draft.read('targets'))?.delegations).includes(name))
      throw new GupperError('usage', `nothing is delegated to ${name}`)
    const changed = await changeDelegations(draft, name, (delegations) => {
      delegations.roles = (delegations.roles ?? []).filter((role) => role.name !== name)
    })
    if (draft.pending.size < found.pending.size && changed.pending !== true) {
      const left = new Map([...draft.pending].filter(([role]) => role !== 'targets'))
      await writePending(draft.layout, await withContext(draft, left))
    }
    if (changed.pending !== true)
      for (const [file, target] of before)
        if (!(await stillOffered(draft, file)))
          await settlePlain(draft.layout, file, { ...target, custom: { yanked: true } }, draft.observer)
    return { role: name, ...changed }
  })
}

async function stillOffered(draft: Draft, file: string): Promise<boolean> {
  return (await draft.find(file)) !== undefined
}
