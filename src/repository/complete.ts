import { isDeepStrictEqual } from 'node:util'
import type { GupperError } from '../errors.ts'
import { delegatedKeys, delegatedNames } from '../trust/tuf/delegation.ts'
import type { Delegations, Envelope, Targets } from '../trust/tuf/model.ts'
import { canCommit } from './commit.ts'
import type { Draft } from './draft.ts'
import { findUnfit, type Arriving } from './fitness.ts'
import { canSign, lackOf, pickKeys, signWith } from './sign.ts'

/** Metadata of roles that speak for targets, by role. */
export type Envelopes = ReadonlyMap<string, Envelope<Targets>>

/** What a draft says, signed with the keys at hand. */
export interface Gathered {
  /** What was edited. */
  edited: Envelopes
  /** That, and what waits. */
  all: Envelopes
  /** What of it is signed by enough keys, hangs together, and is fit for clients. */
  complete: Envelopes
  /** What is not fit, see {@link findUnfit}. */
  unfit: ReadonlyMap<string, GupperError>
  /** Where a part of targets had to be set apart: what waits in its place. */
  later?: Envelope<Targets>
}

/**
 * Signs what was edited with the keys at hand.
 * @param arriving the bytes of targets that are put in place with it
 * @throws GupperError as {@link findUnfit}
 */
export async function gather(draft: Draft, arriving?: Arriving): Promise<Gathered> {
  const edited = new Map<string, Envelope<Targets>>()
  for (const [role, signed] of draft.edited)
    edited.set(role, signWith({ signed, signatures: [] }, await draft.pensOf(role), draft.keyring))
  const all = new Map(edited)
  for (const role of draft.pending.keys()) {
    const envelope = draft.waiting(role)
    // What was delegated may have been taken back meanwhile.
    if (envelope !== undefined && !all.has(role) && (await draft.knows(role))) all.set(role, envelope)
  }
  const unfit = await findUnfit(draft, all, arriving)
  const fit = new Map([...all].filter(([role]) => !unfit.has(role)))
  const complete = await selectComplete(draft, fit)
  const whole = complete.has('targets') || unfit.has('targets')
  const apart = whole || !canCommit(draft) ? undefined : await setApart(draft, fit)
  if (apart === undefined) return { edited, all, complete, unfit }
  for (const envelopes of [all, edited, fit]) envelopes.set('targets', apart.now)
  return { edited, all, complete: await selectComplete(draft, fit), unfit, later: apart.later }
}

async function selectComplete(draft: Draft, all: Envelopes): Promise<Envelopes> {
  const top = all.get('targets')
  if (top !== undefined && lackOf(top, draft.authorityIn(undefined, 'targets')) === 0) {
    const below = chooseBelow(draft, all, top.signed)
    if ((await findUnheard(draft, top.signed, below)).length === 0)
      return new Map([['targets', top], ...below])
  }
  return chooseBelow(draft, all, (await draft.readCommitted('targets'))?.signed)
}

function chooseBelow(draft: Draft, all: Envelopes, top: Targets | undefined): Envelopes {
  return new Map(
    [...all].filter(([role, envelope]) => role !== 'targets' && isComplete(draft, top, role, envelope)),
  )
}

function isComplete(draft: Draft, top: Targets | undefined, role: string, envelope: Envelope): boolean {
  try {
    return lackOf(envelope, draft.authorityIn(top, role)) === 0
  } catch {
    // Nothing is delegated to it yet.
    return false
  }
}

/**
 * The roles that something is delegated to, and that have said nothing yet which the keys they have now stand for. Clients
 * that meet such a role cannot go on: its delegator's metadata has to wait for it.
 * @param below what is about to be committed with it
 */
export async function findUnheard(draft: Draft, top: Targets, below: Envelopes): Promise<string[]> {
  const before = (await draft.readCommitted('targets'))?.signed.delegations
  const unheard: string[] = []
  for (const name of top.delegations ? delegatedNames(top.delegations) : []) {
    if (below.has(name) || (draft.versionOf(name) > 0 && hasSameKeys(name, before, top.delegations))) continue
    const said = await draft.readCommitted(name)
    if (said === undefined || !isComplete(draft, top, name, said)) unheard.push(name)
  }
  return unheard
}

function hasSameKeys(name: string, one: Delegations | undefined, other: Delegations | undefined): boolean {
  const view = (delegations: Delegations | undefined): unknown => {
    const role = delegations && delegatedKeys(delegations, name)
    return role && [role.keyids, role.threshold, pickKeys(role.keyids, delegations.keys)]
  }
  return one !== undefined && isDeepStrictEqual(view(one), view(other))
}

/**
 * Sets a delegation apart that waits for its first word, so that nothing else has to wait for it.
 * @returns targets without it for now and with it for later; undefined where that cannot be, or would change nothing
 */
async function setApart(
  draft: Draft,
  all: Envelopes,
): Promise<{ now: Envelope<Targets>; later: Envelope<Targets> } | undefined> {
  const authority = draft.authorityIn(undefined, 'targets')
  const top = draft.edited.get('targets')
  if (top?.delegations === undefined || !canSign(authority, draft.keyring)) return undefined
  const unheard = new Set(await findUnheard(draft, top, chooseBelow(draft, all, top)))
  const committed = (await draft.readCommitted('targets'))?.signed
  const { roles } = top.delegations
  if (roles === undefined || unheard.size === 0 || committed === undefined) return undefined
  const old = committed.delegations
  const standing = roles.flatMap((role) => {
    if (!unheard.has(role.name)) return [role]
    return old?.roles?.filter(({ name }) => name === role.name) ?? []
  })
  const keys = { ...old?.keys, ...top.delegations.keys }
  const used = pickKeys(
    standing.flatMap(({ keyids }) => keyids),
    keys,
  )
  const { delegations, ...rest } = top
  const signed: Targets =
    standing.length === 0 ? rest : { ...rest, delegations: { ...delegations, roles: standing, keys: used } }
  if (isDeepStrictEqual([signed.targets, signed.delegations], [committed.targets, old])) return undefined
  const sign = (signed: Targets): Envelope<Targets> =>
    signWith({ signed, signatures: [] }, authority, draft.keyring)
  return { now: sign(signed), later: sign({ ...top, version: top.version + 1 }) }
}
