import { GupperError } from '../../errors.ts'
import { binNames, isBin } from './bins.ts'
import type { Draft } from '../draft.ts'
import { countKeys, missingKey } from '../sign.ts'

/**
 * Chooses the role that shall vouch for a new file: a team that its name is delegated to, if its key is at hand, else
 * targets, or the bin of it. What a team may speak for goes into targets itself, where no team can contradict it.
 * @param wanted the role, where it was said
 * @throws GupperError `usage` (64) where a role may not sign this file, `config` (78) where no key is at hand
 */
export async function chooseRole(draft: Draft, file: string, wanted?: string): Promise<string> {
  const { delegations } = (await draft.read('targets')) ?? {}
  const bins = binNames(delegations)
  const [, ...delegated] = await draft.rolesFor(file)
  const teams = delegated.filter((name) => !bins.includes(name))
  const own = (teams.length === 0 ? delegated.find((name) => bins.includes(name)) : undefined) ?? 'targets'
  if (wanted !== undefined && wanted !== 'targets' && !teams.includes(wanted))
    throw await notDelegated(draft, file, [wanted])
  const candidates = wanted === undefined ? [...teams, own] : [wanted === 'targets' ? own : wanted]
  for (const role of candidates) if (countKeys(await draft.authorityOf(role), draft.keyring) > 0) return role
  const able: string[] = []
  for (const { name } of (delegations?.roles ?? []).filter((role) => !isBin(role)))
    if (countKeys(await draft.authorityOf(name), draft.keyring) > 0) able.push(name)
  if (wanted === undefined && able.length > 0) throw await notDelegated(draft, file, able)
  const role = wanted ?? 'targets'
  throw missingKey(role, await draft.authorityOf(role), draft.keyring)
}

async function notDelegated(draft: Draft, file: string, names: readonly string[]): Promise<GupperError> {
  const roles = (await draft.read('targets'))?.delegations?.roles ?? []
  const paths = roles.filter(({ name }) => names.includes(name)).flatMap(({ paths = [] }) => paths)
  const [name = ''] = names
  if (paths.length === 0)
    return new GupperError('usage', `nothing is delegated to ${name}`, {
      hint: 'gupper trust status shows the roles; gupper trust delegate makes one',
    })
  return new GupperError(
    'usage',
    `${file} may not be signed by ${names.join(' or ')}, only ${paths.join(' ')}`,
    {
      hint: 'name it so, or ask the owner of the repository: gupper trust delegate',
    },
  )
}
