import { GupperError } from '../../errors.ts'
import { delegatedNames, spokesmenOf } from './delegation.ts'
import type { Envelope, Target, Targets } from './model.ts'
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

async function walk(trusted: Trusted, path: string, load: Load): Promise<Vouched | undefined> {
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
    const children = signed.delegations === undefined ? [] : spokesmenOf(signed.delegations, path)
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
 * Lists every target, each as {@link findTarget} would find it. A role that cannot be read takes only the paths with it
 * that it might have spoken for.
 * @throws GupperError `too-large` (76) when the roles are more or larger than the limits allow
 */
export async function listTargets(trusted: Trusted): Promise<Listing> {
  const broken = await loadAll(trusted)
  const paths = new Set<string>()
  for (const { signed } of trusted.roles.values())
    for (const path of Object.keys(signed.targets)) paths.add(path)
  const load: Load = (name, delegator) => {
    const reason = broken.get(name)
    if (reason !== undefined) throw reason
    return loadRole(trusted, name, delegator)
  }
  const targets: Vouched[] = []
  for (const path of paths) {
    try {
      const found = await walk(trusted, path, load)
      if (found !== undefined) targets.push(found)
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
    }
  }
  return { targets, broken: [...broken].map(([role, reason]) => ({ role, reason })) }
}

const atOnce = 8

async function loadAll(trusted: Trusted): Promise<Map<string, GupperError>> {
  const broken = new Map<string, GupperError>()
  const asked = new Set<string>(['targets'])
  const tooMuch = (): GupperError =>
    new GupperError('too-large', 'the repository has more metadata than can be listed', {
      hint: 'ask its publisher to keep fewer packages in it',
    })
  for (let level = [...trusted.roles.values()]; level.length > 0;) {
    const waiting: { name: string; delegator: Targets }[] = []
    for (const { signed: delegator } of level) {
      if (delegator.delegations === undefined) continue
      for (const name of delegatedNames(delegator.delegations)) {
        if (asked.has(name)) continue
        asked.add(name)
        waiting.push({ name, delegator })
        if (asked.size > trusted.limits.roles) throw tooMuch()
      }
    }
    const loaded: Envelope<Targets>[] = []
    const work = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        try {
          loaded.push(await loadRole(trusted, next.name, next.delegator))
        } catch (error) {
          if (!(error instanceof GupperError)) throw error
          broken.set(next.name, error)
        }
        if (trusted.size > trusted.limits.all) throw tooMuch()
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    level = loaded
  }
  return broken
}
