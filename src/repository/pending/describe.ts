import { isDeepStrictEqual } from 'node:util'
import {
  topRoles,
  type DelegatedRole,
  type Envelope,
  type Root,
  type Targets,
} from '../../trust/tuf/model.ts'
import { isBin } from '../roles/bins.ts'
import { shortId } from '../roles/key-change.ts'
import { isYanked } from '../packages/plain.ts'
import type { Authority } from '../sign.ts'

/**
 * Says in plain words what metadata would change: each line tells what becomes true, in terms of roles, keys and packages.
 * @param next what is to be signed
 * @param before what it replaces, if anything
 */
export function describeChange(
  next: Envelope<Root> | Envelope<Targets>,
  before: Envelope<Root> | Envelope<Targets> | undefined,
): string[] {
  const lines = isRoot(next.signed)
    ? describeRoot(next.signed, before?.signed as Root | undefined)
    : describeTargets(next.signed, before?.signed as Targets | undefined)
  return [...lines, `it stands until ${next.signed.expires}`]
}

function isRoot(signed: Root | Targets): signed is Root {
  return signed._type === 'root'
}

function describeRoot(next: Root, before: Root | undefined): string[] {
  const lines = topRoles.flatMap((role) =>
    describeKeys(
      role,
      { role: next.roles[role], keys: next.keys },
      before && { role: before.roles[role], keys: before.keys },
    ),
  )
  return lines.length > 0 ? lines : ['the same keys and thresholds as before']
}

function describeKeys(name: string, next: Authority, before: Authority | undefined): string[] {
  const [now, old] = [next.role.keyids, before?.role.keyids ?? []]
  const say = (id: string, { keys }: Authority): string =>
    `${shortId(id)} (${keys[id]?.keytype ?? 'unknown'})`
  const gained = now.filter((id) => !old.includes(id)).map((id) => say(id, next))
  const lost = before === undefined ? [] : old.filter((id) => !now.includes(id)).map((id) => say(id, before))
  const lines = [
    ...(gained.length > 0 ? [`${name} gets the ${words('key', gained)}`] : []),
    ...(lost.length > 0 ? [`${name} loses the ${words('key', lost)}`] : []),
  ]
  const { threshold } = next.role
  const was = before?.role.threshold
  if (lines.length > 0 || was !== threshold)
    lines.push(
      `${name} needs ${threshold} of its ${now.length} ${now.length === 1 ? 'key' : 'keys'}${was === undefined || was === threshold ? '' : `, no longer ${was}`}`,
    )
  return lines
}

function describeTargets(next: Targets, before: Targets | undefined): string[] {
  const [now, old] = [next.targets, before?.targets ?? {}]
  const at = (file: string) => (Object.hasOwn(old, file) ? old[file] : undefined)
  const found: Record<string, string[]> = { add: [], other: [], yank: [], offer: [], tell: [], drop: [] }
  for (const [file, target] of Object.entries(now)) {
    const was = at(file)
    if (was === undefined) found.add?.push(`${file} (sha256 ${target.hashes.sha256?.slice(0, 16) ?? '?'}…)`)
    else if (!isDeepStrictEqual([was.hashes, was.length], [target.hashes, target.length]))
      found.other?.push(file)
    else if (isYanked(was) !== isYanked(target)) found[isYanked(target) ? 'yank' : 'offer']?.push(file)
    else if (!isDeepStrictEqual(was, target)) found.tell?.push(file)
  }
  for (const file of Object.keys(old)) if (!Object.hasOwn(now, file)) found.drop?.push(file)
  const say: Record<string, string> = {
    add: 'adds the',
    other: 'gives OTHER BYTES to the',
    yank: 'yanks the',
    offer: 'offers again the',
    tell: 'changes what is said of the',
    drop: 'no longer vouches for the',
  }
  const lines = Object.entries(found).flatMap(([kind, files]) =>
    files.length === 0 ? [] : [`${say[kind] ?? kind} ${words('package', files)}`],
  )
  lines.push(...describeTeams(next, before))
  return lines.length > 0 ? lines : ['the same packages as before']
}

function describeTeams(next: Targets, before: Targets | undefined): string[] {
  const teams = (targets: Targets | undefined): DelegatedRole[] =>
    (targets?.delegations?.roles ?? []).filter((role) => !isBin(role))
  const bins = (targets: Targets | undefined): boolean =>
    targets?.delegations?.succinct_roles !== undefined ||
    (targets?.delegations?.roles ?? []).some((role) => isBin(role))
  const lines: string[] = []
  for (const role of teams(next)) {
    const old = teams(before).find(({ name }) => name === role.name)
    const authority = { role, keys: next.delegations?.keys ?? {} }
    lines.push(
      ...describeKeys(
        `the team ${role.name}`,
        authority,
        old && { role: old, keys: before?.delegations?.keys ?? {} },
      ),
    )
    if (!isDeepStrictEqual([old?.paths, old?.terminating], [role.paths, role.terminating]))
      lines.push(
        `the team ${role.name} may sign ${(role.paths ?? []).join(' ')}${role.terminating ? ', and nobody after it' : ''}`,
      )
  }
  for (const { name } of teams(before))
    if (!teams(next).some((role) => role.name === name))
      lines.push(`the team ${name} may sign nothing any more`)
  if (bins(next) && !bins(before)) lines.push('spreads the packages over hash bins')
  return lines
}

const most = 20

function words(noun: string, things: readonly string[]): string {
  const more = things.length > most ? `, and ${things.length - most} more` : ''
  return `${noun}${things.length === 1 ? '' : 's'} ${things.slice(0, most).join(', ')}${more}`
}
