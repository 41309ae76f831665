import { GupperError } from '../../errors.ts'
import { spokesmenOf, type Effort } from './delegation.ts'
import type { Envelope, Target, Targets } from './model.ts'
import { loadAll } from './load-all.ts'
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

async function walk(
  trusted: Trusted,
  path: string,
  load: Load,
  effortOf = (_: Targets): Effort => ({ left: trusted.limits.letters }),
): Promise<Vouched | undefined> {
  const top = trusted.roles.get('targets')
  if (top === undefined) throw new Error('targets come after the snapshot')
  const asked = new Set<string>()
  const waiting: { name: string; role: () => Promise<Envelope<Targets>> | Envelope<Targets> }[] = [
    { name: 'targets', role: () => top },
  ]
  while (asked.size <= trusted.limits.delegations) {
    const next = waiting.pop()
    if (next === undefined) return undefined
    if (asked.has(next.name)) continue
    const { signed } = await next.role()
    const found = vouchedBy(next.name, signed, path)
    if (found !== undefined) return found
    asked.add(next.name)
    const children =
      signed.delegations === undefined ? [] : spokesmenOf(signed.delegations, path, effortOf(signed))
    const end = children.findIndex(({ terminating }) => terminating)
    // Whoever ends the search ends it also for those who were still waiting.
    if (end >= 0) waiting.length = 0
    const taken = end >= 0 ? children.slice(0, end + 1) : children
    for (const { name } of taken.reverse()) waiting.push({ name, role: () => load(name, signed) })
  }
  return undefined
}

function vouchedBy(role: string, signed: Targets, path: string): Vouched | undefined {
  const target = Object.hasOwn(signed.targets, path) ? signed.targets[path] : undefined
  return target && { path, target, role, version: signed.version, expires: signed.expires }
}

/** Everything that a repository vouches for, and the roles that could not be heard. */
export interface Listing {
  targets: Vouched[]
  broken: { role: string; reason: GupperError }[]
}

/**
 * Lists every target, each as {@link findTarget} would find it. A role that cannot be read, or asks too much, takes only
 * the paths with it that it might have spoken for.
 */
export async function listTargets(trusted: Trusted): Promise<Listing> {
  const broken = await loadAll(trusted)
  const paths = new Set<string>()
  for (const { signed } of trusted.roles.values())
    for (const path of Object.keys(signed.targets)) paths.add(path)
  const load: Load = (name, delegator) => {
    const reason = broken.find(delegator, name)
    if (reason !== undefined) throw reason
    return loadRole(trusted, name, delegator)
  }
  const efforts = new Map<Targets, Effort>()
  const effortOf = (role: Targets): Effort => {
    const effort = efforts.get(role) ?? { left: trusted.limits.letters }
    efforts.set(role, effort)
    return effort
  }
  const targets: Vouched[] = []
  for (const path of paths) {
    try {
      const found = await walk(trusted, path, load, effortOf)
      if (found !== undefined) targets.push(found)
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      if (!broken.has(error)) broken.add(spent(trusted, efforts), error)
    }
  }
  return { targets, broken: broken.list }
}

function spent(trusted: Trusted, efforts: ReadonlyMap<Targets, Effort>): string {
  for (const [name, { signed }] of trusted.roles) if ((efforts.get(signed)?.left ?? 0) < 0) return name
  return 'targets'
}
