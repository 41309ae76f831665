import { GupperError } from '../../errors.ts'
import { delegatedNames } from './delegation.ts'
import type { Envelope, Targets } from './model.ts'
import { loadRole } from './role.ts'
import type { Trusted } from './trusted.ts'

/** A role that could not be heard. */
export interface Trouble {
  role: string
  reason: GupperError
  /** Who delegates to it, or who cannot be heard with all that it delegates to; for whom else it is not known. */
  delegator?: Targets | undefined
}

/** Roles that could not be heard, each as one who delegates to it wants it: what is wrong for one may be right for another. */
export class Broken {
  readonly list: Trouble[] = []
  readonly #known = new Set<GupperError | string>()
  readonly #reasons = new Map<Targets, Map<string, GupperError>>()

  /** Notes it down once for people, and for whoever delegates to it. */
  add(role: string, reason: GupperError, delegator?: Targets): void {
    this.#note({ role, reason, delegator })
    if (delegator) this.#of(delegator).set(role, reason)
  }

  /** Notes down that nobody whom a role delegates to can be heard. */
  addAll(role: string, reason: GupperError, signed: Targets): void {
    this.#note({ role, reason, delegator: signed })
    this.#of(signed).set('', reason)
  }

  find(delegator: Targets, role: string): GupperError | undefined {
    const reasons = this.#reasons.get(delegator)
    return reasons?.get(role) ?? reasons?.get('')
  }

  has(reason: GupperError): boolean {
    return this.#known.has(reason) || this.#known.has(reason.message)
  }

  #note(trouble: Trouble): void {
    this.list.push(trouble)
    this.#known.add(trouble.reason)
    // Whoever it is about, nothing more can be said of it.
    if (trouble.delegator === undefined) this.#known.add(trouble.reason.message)
  }

  #of(delegator: Targets): Map<string, GupperError> {
    const reasons = this.#reasons.get(delegator) ?? new Map<string, GupperError>()
    this.#reasons.set(delegator, reasons)
    return reasons
  }
}

interface Wanted {
  name: string
  delegator: Targets
}

const atOnce = 8

/** Loads every role that anyone delegates to, as far as the limits allow. */
export async function loadAll(trusted: Trusted): Promise<Broken> {
  const broken = new Broken()
  const met = new Set<Targets>()
  let room = trusted.limits.roles
  for (let level = new Map(trusted.roles); level.size > 0;) {
    const waiting: Wanted[] = []
    // Those with few names first, so that one who is greedy takes nobody's place.
    const lists = [...level]
      .filter(([, { signed }]) => signed.delegations !== undefined && !met.has(signed))
      .map(([from, { signed }]) => ({ from, signed, names: namesOf(signed, trusted.limits.roles) }))
      .sort((a, b) => a.names.length - b.names.length)
    for (const { from, signed, names } of lists) {
      met.add(signed)
      room -= names.length
      if (room >= 0) waiting.push(...names.map((name) => ({ name, delegator: signed })).reverse())
      else {
        room += names.length
        broken.addAll(from, tooMuch(`${from} delegates to more roles than can be listed`), signed)
      }
    }
    level = await loadSome(trusted, waiting, broken)
  }
  return broken
}

function namesOf({ delegations }: Targets, most: number): string[] {
  return delegations === undefined ? [] : [...delegatedNames(delegations).take(most + 1)]
}

async function loadSome(
  trusted: Trusted,
  waiting: Wanted[],
  broken: Broken,
): Promise<Map<string, Envelope<Targets>>> {
  const loaded = new Map<string, Envelope<Targets>>()
  const work = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { name, delegator } = next
      try {
        if (trusted.size > trusted.limits.all && !trusted.roles.has(name))
          throw tooMuch('the repository has more metadata than can be listed')
        loaded.set(name, await loadRole(trusted, name, delegator))
      } catch (error) {
        if (!(error instanceof GupperError)) throw error
        broken.add(name, error, delegator)
      }
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return loaded
}

function tooMuch(message: string): GupperError {
  return new GupperError('too-large', message, { hint: 'ask its publisher to keep fewer packages in it' })
}
