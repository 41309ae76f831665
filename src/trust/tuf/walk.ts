import { GupperError } from '../../errors.ts'
import { nearRoles, spend, spokesmenOf, type Effort } from './delegation.ts'
import type { Envelope, Target, Targets } from './model.ts'
import { loadAll, type Broken, type Trouble } from './load-all.ts'
import { loadRole } from './role.ts'
import type { Trusted } from './trusted.ts'

/** A target, and the role that vouches for it. */
export interface Vouched {
  path: string
  target: Target
  role: string
  version: number
  expires: string
}

/**
 * Finds what is said of one path: the most trusted role that speaks for it wins (section 5.6.7).
 * @returns undefined where no role knows it
 * @throws GupperError as {@link loadRole}: a role that cannot be read might have spoken
 */
export async function findTarget(trusted: Trusted, path: string): Promise<Vouched | undefined> {
  return walk(trusted, path, (name, parent) => loadRole(trusted, name, parent))
}

type Load = (name: string, delegator: Targets) => Promise<Envelope<Targets>> | Envelope<Targets>

/** What may be spent on delegations: of those that targets delegate to none shall use up what others need. */
class Budget {
  readonly #share: number
  readonly all: Effort
  readonly branches = new Map<string, Effort>()

  constructor({ letters, allLetters }: Trusted['limits']) {
    this.#share = letters
    this.all = { left: allLetters }
  }

  /** What is for a role that another, or targets, delegate to. */
  below(effort: Effort, name: string): Effort {
    if (effort !== this.all) return effort
    const branch = this.branches.get(name) ?? { left: this.#share, whole: this.all }
    this.branches.set(name, branch)
    return branch
  }
}

const visit = 50 // letters; looking at a role takes as long, whatever its patterns are

async function walk(
  trusted: Trusted,
  path: string,
  load: Load,
  budget = new Budget(trusted.limits),
): Promise<Vouched | undefined> {
  const top = topOf(trusted)
  const asked = new Set<string>()
  const waiting: {
    name: string
    role: () => Promise<Envelope<Targets>> | Envelope<Targets>
    effort: Effort
  }[] = [{ name: 'targets', role: () => top, effort: budget.all }]
  while (asked.size <= trusted.limits.delegations) {
    const next = waiting.pop()
    if (next === undefined) return undefined
    const { name: role, effort } = next
    if (asked.has(role)) continue
    if (effort !== budget.all) spend(effort, visit)
    const { signed } = await next.role()
    const found = vouchedBy(role, signed, path)
    if (found !== undefined) return found
    asked.add(role)
    const children = signed.delegations === undefined ? [] : spokesmenOf(signed.delegations, path, effort)
    const end = children.findIndex(({ terminating }) => terminating)
    // Whoever ends the search ends it also for those who were still waiting.
    if (end >= 0) waiting.length = 0
    const taken = end >= 0 ? children.slice(0, end + 1) : children
    for (const { name } of taken.reverse())
      waiting.push({ name, role: () => load(name, signed), effort: budget.below(effort, name) })
  }
  return undefined
}

function topOf({ roles }: Trusted): Envelope<Targets> {
  const top = roles.get('targets')
  if (top === undefined) throw new Error('targets come after the snapshot')
  return top
}

function vouchedBy(role: string, signed: Targets, path: string): Vouched | undefined {
  const target = Object.hasOwn(signed.targets, path) ? signed.targets[path] : undefined
  return target && { path, target, role, version: signed.version, expires: signed.expires }
}

/** Everything that a repository vouches for, and the roles that could not be heard. */
export interface Listing {
  targets: Vouched[]
  broken: Trouble[]
  /** Those that could not be heard either, but speak for none of the names that were asked for. */
  apart: Trouble[]
}

/**
 * Lists every target, each as {@link findTarget} would find it. A role that cannot be read, or asks too much, takes only
 * the paths with it that it might have spoken for.
 * @param starts what the files of interest begin with; all are when not given
 */
export async function listTargets(trusted: Trusted, starts?: readonly string[]): Promise<Listing> {
  const broken = await loadAll(trusted)
  const paths = new Set<string>()
  for (const { signed } of trusted.roles.values())
    for (const path of Object.keys(signed.targets)) paths.add(path)
  const load: Load = (name, delegator) => {
    const reason = broken.find(delegator, name)
    if (reason !== undefined) throw reason
    return loadRole(trusted, name, delegator)
  }
  const budget = new Budget(trusted.limits)
  const targets: Vouched[] = []
  for (const path of paths) {
    try {
      const found = await walk(trusted, path, load, budget)
      if (found !== undefined) targets.push(found)
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      if (broken.has(error)) continue
      const [branch] = [...budget.branches].find(([, { spent }]) => spent === error) ?? []
      if (branch === undefined) broken.add('targets', error)
      else broken.add(branch, error, topOf(trusted).signed)
      if (budget.all.spent !== undefined) break
    }
  }
  const near = starts && new Set(starts.flatMap((start) => [...reasonsNear(trusted, broken, start)]))
  const isNear = ({ reason, delegator }: Trouble): boolean =>
    near === undefined || delegator === undefined || near.has(reason)
  return { targets, broken: broken.list.filter(isNear), apart: broken.list.filter((one) => !isNear(one)) }
}

/** Why those could not be heard that may speak for files which begin like this. */
function* reasonsNear(trusted: Trusted, broken: Broken, start: string): Generator<GupperError> {
  const waiting = [topOf(trusted).signed]
  const met = new Set(waiting)
  for (let from = waiting.pop(); from !== undefined; from = waiting.pop())
    for (const name of from.delegations === undefined ? [] : nearRoles(from.delegations, start)) {
      const reason = broken.find(from, name)
      if (reason !== undefined) yield reason
      // Where nobody can be heard it is the same for all: of four billion bins one is enough.
      if (reason !== undefined && reason === broken.find(from, '')) break
      const next = trusted.roles.get(name)?.signed
      if (reason !== undefined || next === undefined || met.has(next)) continue
      met.add(next)
      waiting.push(next)
    }
}
