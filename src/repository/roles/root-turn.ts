import type { Envelope, Root, Targets } from '../../trust/tuf/model.ts'
import { canCommit, demandOnline } from '../commit.ts'
import { gather } from '../complete.ts'
import { warnOfUnfit } from '../fitness.ts'
import { conclude, type Outcome } from '../conclude.ts'
import type { Draft } from '../draft.ts'
import { writeEnvelope } from '../envelope.ts'
import { readPending, writePending } from '../pending/pending.ts'
import { rootAuthority, withContext } from '../pending/context.ts'
import { renewAll } from '../renew.ts'
import { countKeys, lackOf } from '../sign.ts'
import { commitTurn } from './turn.ts'

/** How many signatures a root still lacks: of the keys of the root before it, and of its own. */
export function lackOfRoot(next: Envelope<Root>, before: Envelope<Root> | undefined): number {
  const roots = [next.signed, ...(before ? [before.signed] : [])]
  return Math.max(...roots.map((root) => lackOf(next, rootAuthority(root))))
}

/** A draft as it is once a new root stands: what it edits is signed by the keys of both roots. */
export function turn(draft: Draft, next: Envelope<Root>): Draft {
  const { committed } = draft
  const pending = new Map([...draft.pending].filter(([role]) => role !== 'root'))
  const { keys, roles } = next.signed
  const stale = [committed.timestamp, committed.snapshot].some(
    (envelope) => lackOf(envelope, { role: roles[envelope.signed._type], keys }) > 0,
  )
  return draft.with({
    pending,
    committed: { ...committed, root: next, previous: committed.root, stale },
    replaced: committed.root.signed,
  })
}

/** How a new root is brought about. */
export interface TurnOptions {
  /** Sign a new timestamp in any case. */
  refresh?: boolean
  /** Keep the change that waits, adding what targets have to sign anew, when it cannot be made yet. */
  keep?: boolean
}

/**
 * Makes a root the newest one, with all that its keys have to sign anew, if there are signatures enough for all of it.
 * Otherwise the repository stays as it is: nobody shall find a root under which the rest is not signed.
 * @returns undefined where something is missing still
 * @throws GupperError `cannot-write` or `no-space` (73); `config` (78) when a refresh lacks its key
 */
export async function tryTurn(
  draft: Draft,
  next: Envelope<Root>,
  { refresh = false, keep = false }: TurnOptions = {},
): Promise<Outcome | undefined> {
  const turned = turn(draft, next)
  const stands = await alignTargets(turned, keep)
  const { all, complete, unfit } = await gather(turned)
  const alone = stands && !turned.committed.stale
  const signed = lackOfRoot(next, draft.committed.root) === 0
  if (!signed || !(stands || complete.has('targets')) || !(alone || canCommit(turned))) {
    warnOfUnfit(turned, unfit)
    if (keep) await keepRoot(turned, next, all)
    return undefined
  }
  if (refresh) demandOnline(turned)
  const root = { version: next.signed.version, bytes: writeEnvelope(next) }
  if (alone) await commitTurn(turned.layout, root)
  const outcome = await conclude(turned, {
    refresh: refresh || !alone,
    ...(!alone && { write: (layout, change) => commitTurn(layout, root, change) }),
  })
  await dropRoot(turned)
  return { ...outcome, committed: new Set(['root', ...outcome.committed]) }
}

/** Has targets signed anew where the new root's keys have not signed them. */
async function alignTargets(turned: Draft, anew: boolean): Promise<boolean> {
  const authority = turned.authorityIn(undefined, 'targets')
  const committed = await turned.readCommitted('targets')
  if (committed !== undefined && lackOf(committed, authority) === 0) return true
  const waiting = turned.waiting('targets')
  const waits = waiting !== undefined && (!anew || lackOf(waiting, authority) === 0)
  if (!waits && countKeys(authority, turned.keyring) > 0) {
    if (waiting !== undefined)
      turned.observer.warn('targets are signed anew with all that waits for signatures in them')
    await renewAll(turned)
  }
  return false
}

/** Leaves a root, with what was signed for it, for others to sign. */
export async function keepRoot(
  draft: Draft,
  next: Envelope<Root>,
  all: ReadonlyMap<string, Envelope<Targets>>,
): Promise<void> {
  const wanted = new Map<string, Envelope<Root> | Envelope<Targets>>([['root', next], ...all])
  await writePending(draft.layout, await withContext(draft, wanted))
}

async function dropRoot(turned: Draft): Promise<void> {
  const pending = await readPending(turned.layout)
  if (pending.delete('root')) await writePending(turned.layout, await withContext(turned, pending))
}
