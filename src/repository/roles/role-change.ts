import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GupperError } from '../../errors.ts'
import { topRoles, type Delegations, type TopRole } from '../../trust/tuf/model.ts'
import { dropUnusedKeys, isBin } from './bins.ts'
import { findUnheard } from '../complete.ts'
import { conclude } from '../conclude.ts'
import type { Draft } from '../draft.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { changeKeys, type KeyChange } from './key-change.ts'
import type { KeyType } from '../keys/key-file.ts'
import { openKeys, ownKey } from '../keys/own-keys.ts'
import { changeRoot, withKey, withMade, type Prepared, type RootChanged } from './root-change.ts'
import { countKeys, missingKey } from '../sign.ts'

/** Where a new key is made, when none is given. */
export interface Making {
  directory: string
  type: KeyType
  passphrase?: string | undefined
}

/** What came of a change of a role's keys. */
export interface RoleChanged extends RootChanged {
  role: string
  /** The file of the private key that was made. */
  made?: string
  /** The roles whose keys are still to sign. */
  awaits?: readonly string[]
}

const online: readonly TopRole[] = ['snapshot', 'timestamp']

/**
 * Changes who may sign a role: one of root's (where "online" means snapshot and timestamp), or one that targets delegates
 * to.
 * @param repository the directory, REPO
 * @param making makes a new key there, which the role gets
 * @throws GupperError `usage` (64) for an unknown role, key, or a threshold that could not be reached; `config` (78) when the
 * key is missing that has to sign the change; and what {@link holdRepository} throws
 */
export async function changeRole(
  repository: string,
  role: string,
  change: KeyChange,
  { making, ...options }: RepositoryOptions & { making?: Making | undefined },
): Promise<RoleChanged> {
  let made: string | undefined
  const prepare = async (version: number): Promise<Prepared> => {
    if (making === undefined) return { change }
    await openKeys(making.directory, repository)
    // Of the version that it comes with, so that a run that was cut off finds it again.
    const own = await ownKey(join(making.directory, `${role}.${version}.pem`), {
      ...making,
      observer: options.observer,
    })
    made = own.path
    return { change: { ...change, add: [...(change.add ?? []), own] }, own }
  }
  const roles = role === 'online' ? online : topRoles.filter((name) => name === role)
  const changed =
    roles.length > 0
      ? await changeRoot(repository, roles, options, prepare, making !== undefined)
      : await changeDelegated(repository, role, options, prepare)
  return { role, ...changed, ...(made !== undefined && { made }) }
}

async function changeDelegated(
  repository: string,
  name: string,
  options: RepositoryOptions,
  prepare: (version: number) => Promise<Prepared>,
): Promise<RootChanged & { awaits?: readonly string[] }> {
  return holdRepository(repository, options, async (draft) => {
    const prepared = await prepare(draft.versionOf('targets') + 1)
    const { change, own } = prepared
    const work = own === undefined ? draft : draft.with({ keyring: withKey(draft.keyring, own) })
    const edit = (delegations: Delegations): void => {
      const role = delegations.roles?.find((one) => one.name === name && !isBin(one))
      if (role === undefined)
        throw new GupperError('usage', `there is no role ${name}`, {
          hint: `the roles: ${topRoles.join(', ')}, online, and those of gupper trust delegate`,
        })
      changeKeys(name, { role, keys: delegations.keys }, change)
    }
    return withMade(draft, prepared, () => changeDelegations(work, name, edit))
  })
}

/**
 * Changes what targets delegates by name. A role whose keys have signed nothing yet that stands gets something to sign.
 * @param edit changes a copy in place
 */
export async function changeDelegations(
  draft: Draft,
  name: string,
  edit: (delegations: Delegations) => void,
): Promise<RootChanged & { awaits?: readonly string[] }> {
  const before = await draft.read('targets')
  const delegations = structuredClone(before?.delegations ?? { keys: {}, roles: [] })
  edit(delegations)
  dropUnusedKeys(delegations)
  const role = delegations.roles?.find((one) => one.name === name)
  const result = {
    repository: draft.layout.root,
    keys: role?.keyids ?? [],
    threshold: role?.threshold ?? 0,
    retired: [],
  }
  const isEmpty = delegations.roles?.length === 0
  const isSame = isDeepStrictEqual(delegations, before?.delegations) || (isEmpty && !before?.delegations)
  if (!isSame) {
    const authority = await draft.authorityOf('targets')
    if (countKeys(authority, draft.keyring) === 0) throw missingKey('targets', authority, draft.keyring)
    const top = await draft.edit('targets')
    if (isEmpty) delete top.delegations
    else top.delegations = delegations
    for (const unheard of await findUnheard(draft, top, new Map())) await draft.edit(unheard)
  }
  const { waiting, awaits } = await conclude(draft)
  const version = (await draft.read('targets'))?.version ?? 0
  const missing = waiting.get('targets')
  return {
    ...result,
    version,
    changed: !isSame,
    ...(missing !== undefined && { pending: true as const, missing, awaits }),
  }
}
