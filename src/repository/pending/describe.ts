import { isDeepStrictEqual } from 'node:util'
import { parseFileName } from '../../package/filename.ts'
import { topRoles, type Envelope, type Root, type Target, type Targets } from '../../trust/tuf/model.ts'
import { isYanked } from '../packages/plain.ts'
import { describeDelegations } from './describe-delegations.ts'
import { describeKeys } from './describe-keys.ts'
import { enumerate, quoted } from './quote.ts'

/**
 * Says in plain words what metadata would change: each line tells what becomes true, in terms of roles, keys and packages,
 * the farthest-reaching first. Names that come out of it are in quotes where they are not plain.
 * @param next what is to be signed
 * @param before what it replaces, if anything
 * @param all name every package, however many
 */
export function describeChange(
  next: Envelope<Root> | Envelope<Targets>,
  before: Envelope<Root> | Envelope<Targets> | undefined,
  all = false,
): string[] {
  const lines = isRoot(next.signed)
    ? describeRoot(next.signed, before?.signed as Root | undefined)
    : describeTargets(next.signed, before?.signed as Targets | undefined, all)
  return [...lines, `it stands until ${next.signed.expires}`]
}

function isRoot(signed: Root | Targets): signed is Root {
  return signed._type === 'root'
}

function describeRoot(next: Root, before: Root | undefined): string[] {
  const lines = topRoles.flatMap((role) =>
    describeKeys(
      { role: next.roles[role], keys: next.keys },
      before && { role: before.roles[role], keys: before.keys },
    ).map((line) => `${role} ${line}`),
  )
  lines.push(...describeRest(next, before))
  return lines.length > 0 ? lines : ['the same keys and thresholds as before']
}

const kinds = {
  other: 'gives OTHER BYTES to the',
  drop: 'no longer vouches for the',
  offer: 'offers again the',
  yank: 'yanks the',
  tell: 'changes what is said of the',
  add: 'adds the',
}
type Kind = keyof typeof kinds

function describeTargets(next: Targets, before: Targets | undefined, all: boolean): string[] {
  const [now, old] = [next.targets, before?.targets ?? {}]
  const at = (file: string) => (Object.hasOwn(old, file) ? old[file] : undefined)
  const found: Record<Kind, string[]> = { other: [], drop: [], offer: [], yank: [], tell: [], add: [] }
  const note = (kind: Kind | undefined, file: string): void => {
    if (kind !== undefined) found[kind].push(file)
  }
  for (const [file, target] of Object.entries(now)) note(kindOf(target, at(file)), file)
  for (const file of Object.keys(old)) if (!Object.hasOwn(now, file)) note('drop', file)
  const known = new Set(Object.keys(old).map(nameOf))
  const lines = describeDelegations(next.delegations, before?.delegations, all)
  for (const kind of Object.keys(kinds) as Kind[]) {
    // What somebody has installed comes before what nobody knows.
    const rank = (file: string): string => `${known.has(nameOf(file)) ? 0 : 1}${file}`
    const files = found[kind].toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1))
    const say = (file: string): string =>
      `${quoted(file)}${kind === 'add' ? ` (sha256 ${now[file]?.hashes.sha256?.slice(0, 16) ?? '?'}…)` : ''}`
    const noun = files.length === 1 ? 'package' : 'packages'
    if (files.length > 0) lines.push(`${kinds[kind]} ${noun} ${enumerate(files.map(say), all)}`)
  }
  lines.push(...describeRest(next, before))
  return lines.length > 0 ? lines : ['the same packages as before']
}

function kindOf(target: Target, was: Target | undefined): Kind | undefined {
  if (was === undefined) return 'add'
  if (!isDeepStrictEqual([was.hashes, was.length], [target.hashes, target.length])) return 'other'
  if (isYanked(was) !== isYanked(target)) return isYanked(target) ? 'yank' : 'offer'
  return isDeepStrictEqual(was, target) ? undefined : 'tell'
}

function nameOf(file: string): string {
  return parseFileName(file)?.name ?? file
}

const told = ['_type', 'spec_version', 'version', 'expires', 'keys', 'roles', 'targets', 'delegations']

// Nothing that is signed goes unmentioned.
function describeRest(next: Root | Targets, before: Root | Targets | undefined): string[] {
  if (before === undefined) return []
  const fields = new Set(
    [...Object.keys(next), ...Object.keys(before)].filter((name) => !told.includes(name)),
  )
  const changed = [...fields].filter((name) => !isDeepStrictEqual(next[name], before[name]))
  return changed.map((name) => `changes the field ${quoted(name)}`)
}
