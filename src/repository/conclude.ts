import { rename } from 'node:fs/promises'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GupperError, explaining } from '../errors.ts'
import { syncDirectory } from '../store/durable.ts'
import type { Envelope, Root, Target, Targets } from '../trust/tuf/model.ts'
import { canCommit, commit, demandOnline, prepare, type Change } from './commit.ts'
import { readCommitted } from './committed.ts'
import { gather, type Envelopes } from './complete.ts'
import { Draft } from './draft.ts'
import { warnOfUnfit } from './fitness.ts'
import { clearJournal, recover, writeJournal } from './journal.ts'
import { targetPath, type Layout } from './layout.ts'
import { readPending, writePending } from './pending/pending.ts'
import { withContext } from './pending/context.ts'
import { isPackageFile, settlePlain } from './packages/plain.ts'
import { canSign, lackOf } from './sign.ts'
import { finishTurn } from './roles/turn.ts'

/** Bytes that wait in the staging directory to become a target. */
export interface Placement {
  file: string
  /** SHA-256 in hexadecimal. */
  hash: string
  /** Where they are. */
  temporary: string
}

/** What came of a draft. */
export interface Outcome {
  /** The roles whose new metadata the world has now. */
  committed: ReadonlySet<string>
  /** The roles whose new metadata waits, with how many signatures each still lacks. */
  waiting: ReadonlyMap<string, number>
  /** The roles of which keys are still to sign. */
  awaits: readonly string[]
}

/** How to end a draft. */
export interface ConcludeOptions {
  /** Bytes that become targets. */
  placements?: readonly Placement[]
  /** Sign a new timestamp also when nothing is new. */
  refresh?: boolean
  /** What else must be there before the world is told; run again it changes nothing. */
  before?: (() => Promise<void>) | undefined
  /** How a change is written: {@link commit}, or with a root, {@link commitTurn}. */
  write?: (layout: Layout, change: Change) => Promise<void>
}

const none: Envelopes = new Map()

/**
 * Ends a draft: signs what was edited with the keys at hand, and commits all that is complete, if the keys of snapshot
 * and timestamp are at hand too. What is not waits in REPO/.gupper/pending/.
 * @throws GupperError `cannot-write` or `no-space` (73): the repository is as it was; `config` (78) when a refresh lacks its
 * key; `not-found` (69) where the bytes are not there of what was edited
 */
export async function conclude(
  draft: Draft,
  { placements = [], refresh = false, before, write = commit }: ConcludeOptions = {},
): Promise<Outcome> {
  if (refresh) demandOnline(draft)
  const arriving = new Set(placements.map(({ file, hash }) => basename(targetPath(draft.layout, hash, file))))
  const { edited, all, complete, unfit, later } = await gather(draft, arriving)
  warnOfUnfit(draft, unfit)
  const ready = canCommit(draft) ? complete : none
  const change = ready.size > 0 || refresh ? await prepare(draft, ready) : undefined
  await carryOut(draft, { all, edited, ready, change, placements, later, before, write })
  return describeOutcome(draft, all, ready, complete)
}

interface Work {
  all: Envelopes
  edited: Envelopes
  ready: Envelopes
  change: Change | undefined
  placements: readonly Placement[]
  later: Envelope<Targets> | undefined
  before: ConcludeOptions['before']
  write: NonNullable<ConcludeOptions['write']>
}

async function carryOut(draft: Draft, work: Work): Promise<void> {
  const { layout } = draft
  const { edited, ready, change, placements } = work
  const touched = await findTouched(draft, ready)
  const targets = new Map<string, string>()
  for (const { file, hash } of placements) targets.set(file, hash)
  for (const [file, target] of touched) targets.set(file, target.hashes.sha256 ?? '')
  if (change === undefined && edited.size === 0 && placements.length === 0) {
    await work.before?.()
    return
  }
  let settled = true
  const journaled = targets.size > 0 || (change?.files.length ?? 0) > 0
  try {
    if (journaled)
      await writeJournal(layout, {
        targets: [...targets].map(([file, hash]) => ({ file, hash })),
        metadata: (change?.files ?? []).map(({ role, version }) => ({ role, version })),
      })
    await place(draft, placements)
    await work.before?.()
    if (change !== undefined) await work.write(layout, change)
    await keepWaiting(draft, work)
    settled = await settle(draft, touched)
  } catch (error) {
    await undo(draft)
    throw error
  }
  if (journaled && settled) await clearJournal(layout)
}

/** @returns whether all is done; the world knows already, so that what is not is left to the next run */
async function settle({ layout, observer }: Draft, touched: ReadonlyMap<string, Target>): Promise<boolean> {
  try {
    for (const [file, target] of touched) await settlePlain(layout, file, target, observer)
    if (touched.size > 0) await explaining(`cannot write ${layout.root}`, () => syncDirectory(layout.root))
    return true
  } catch (error) {
    if (!(error instanceof GupperError)) throw error
    observer.warn(`it is committed, but not for clients without trust: ${error.message}`, {
      hint: `${error.hint}; the next run here finishes it`,
    })
    return false
  }
}

async function place({ layout }: Draft, placements: readonly Placement[]): Promise<void> {
  if (placements.length === 0) return
  await explaining(`cannot write ${layout.targets}`, async () => {
    for (const { file, hash, temporary } of placements)
      await rename(temporary, targetPath(layout, hash, file))
    await syncDirectory(layout.targets)
  })
}

async function keepWaiting(draft: Draft, { all, edited, ready, later }: Work): Promise<void> {
  const changed = edited.size > 0 && [...edited.keys()].some((role) => !ready.has(role))
  if (!changed && later === undefined && ![...ready.keys()].some((role) => draft.pending.has(role))) return
  const root = draft.pending.get('root')
  const wanted = new Map<string, Envelope<Root> | Envelope<Targets>>(root ? [['root', root]] : [])
  for (const [role, envelope] of all) if (!ready.has(role)) wanted.set(role, envelope)
  if (later !== undefined && ready.has('targets')) wanted.set('targets', later)
  await writePending(draft.layout, await withContext(draft, wanted))
}

// With what is on the disk now, which tells whether the commit had happened.
async function undo({ layout, committed: _old, ...parts }: Draft): Promise<void> {
  try {
    await finishTurn(layout)
    const [committed, pending] = [await readCommitted(layout), await readPending(layout)]
    await recover(new Draft({ ...parts, layout, committed, pending }))
  } catch {
    // The next run will.
  }
}

/** The packages that the world is about to be told something new of, by the role that speaks for each. */
async function findTouched(draft: Draft, ready: Envelopes): Promise<Map<string, Target>> {
  const touched = new Map<string, Target>()
  for (const [role, { signed }] of ready) {
    const before = (await draft.readCommitted(role))?.signed.targets ?? {}
    for (const [file, target] of Object.entries(signed.targets)) {
      const old = Object.hasOwn(before, file) ? before[file] : undefined
      if (!isPackageFile(file) || isDeepStrictEqual(old, target)) continue
      if ((await draft.findWith(file, ready))?.role === role) touched.set(file, target)
    }
  }
  return touched
}

async function describeOutcome(
  draft: Draft,
  all: Envelopes,
  ready: Envelopes,
  complete: Envelopes,
): Promise<Outcome> {
  const waiting = new Map<string, number>()
  const awaits = new Set<string>()
  for (const [role, envelope] of all) {
    if (ready.has(role)) continue
    const lack = complete.has(role) ? 0 : lackOf(envelope, await draft.authorityOf(role))
    waiting.set(role, lack)
    if (lack > 0) awaits.add(role)
  }
  if (waiting.size > 0)
    for (const role of ['snapshot', 'timestamp'])
      if (!canSign(draft.authorityIn(undefined, role), draft.keyring)) awaits.add(role)
  return { committed: new Set(ready.keys()), waiting, awaits: [...awaits] }
}
