import { rename } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { explaining } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { syncDirectory } from '../store/durable.ts'
import { delegatedNames } from '../trust/tuf/delegation.ts'
import type { Envelope, Target, Targets } from '../trust/tuf/model.ts'
import { canCommit, commit, demandOnline, prepare, type Change } from './commit.ts'
import { readCommitted } from './committed.ts'
import { Draft } from './draft.ts'
import { clearJournal, recover, writeJournal } from './journal.ts'
import { targetPath } from './layout.ts'
import { readPending, writePending } from './pending.ts'
import { settlePlain } from './plain.ts'
import { canSign, lackOf, signWith } from './sign.ts'

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

type Envelopes = ReadonlyMap<string, Envelope<Targets>>

const none: Envelopes = new Map()

/**
 * Ends a draft: signs what was edited with the keys at hand, and commits all that is complete, if the keys of snapshot
 * and timestamp are at hand too. What is not waits in REPO/.gupper/pending/.
 * @param options `placements`: bytes that become targets; `refresh`: sign a new timestamp also when nothing is new
 * @throws GupperError `cannot-write` or `no-space` (73): the repository is as it was; `config` (78) when a refresh lacks its key
 */
export async function conclude(
  draft: Draft,
  { placements = [], refresh = false }: { placements?: readonly Placement[]; refresh?: boolean } = {},
): Promise<Outcome> {
  if (refresh) demandOnline(draft)
  const edited = new Map<string, Envelope<Targets>>()
  for (const [role, signed] of draft.edited)
    edited.set(role, signWith({ signed, signatures: [] }, await draft.authorityOf(role), draft.keyring))
  const all = new Map(edited)
  for (const role of draft.pending.keys()) {
    const envelope = draft.waiting(role)
    if (envelope !== undefined && !all.has(role)) all.set(role, envelope)
  }
  const online = canCommit(draft)
  const complete = await selectComplete(draft, all)
  const ready = online ? complete : none
  const change = ready.size > 0 || refresh ? prepare(draft, ready) : undefined
  await carryOut(draft, { all, edited, ready, change, placements })
  return describeOutcome(draft, all, ready, complete)
}

/** What is signed by enough keys, and hangs together. */
async function selectComplete(draft: Draft, all: Envelopes): Promise<Envelopes> {
  const top = all.get('targets')
  const committed = (await draft.readCommitted('targets'))?.signed
  const whole = top !== undefined && lackOf(top, draft.authorityIn(undefined, 'targets')) === 0
  const choose = (delegator: Targets | undefined): Envelopes =>
    new Map(
      [...all].filter(
        ([role, envelope]) => role !== 'targets' && isComplete(draft, delegator, role, envelope),
      ),
    )
  if (whole) {
    const below = choose(top.signed)
    // A bin that nobody can find would make its targets vanish.
    const found = (role: string): boolean => below.has(role) || draft.versionOf(role) > 0
    const { delegations } = top.signed
    const bins = delegations?.succinct_roles === undefined ? [] : [...delegatedNames(delegations)]
    if (bins.every(found)) return new Map([['targets', top], ...below])
  }
  return choose(committed)
}

function isComplete(draft: Draft, top: Targets | undefined, role: string, envelope: Envelope): boolean {
  try {
    return lackOf(envelope, draft.authorityIn(top, role)) === 0
  } catch {
    // Nothing is delegated to it yet.
    return false
  }
}

interface Work {
  all: Envelopes
  edited: Envelopes
  ready: Envelopes
  change: Change | undefined
  placements: readonly Placement[]
}

async function carryOut(draft: Draft, { all, edited, ready, change, placements }: Work): Promise<void> {
  const { layout } = draft
  const touched = await findTouched(draft, ready)
  const targets = new Map<string, string>()
  for (const { file, hash } of placements) targets.set(file, hash)
  for (const [file, target] of touched) targets.set(file, target.hashes.sha256 ?? '')
  if (change === undefined && edited.size === 0 && placements.length === 0) return
  const journaled = targets.size > 0 || (change?.files.length ?? 0) > 0
  try {
    if (journaled)
      await writeJournal(layout, {
        targets: [...targets].map(([file, hash]) => ({ file, hash })),
        metadata: (change?.files ?? []).map(({ role, version }) => ({ role, version })),
      })
    await place(draft, placements)
    if (change !== undefined) await commit(layout, change)
    await keepWaiting(draft, { all, edited, ready })
    for (const [file, target] of touched) await settlePlain(layout, file, target, draft.observer)
    if (touched.size > 0) await explaining(`cannot write ${layout.root}`, () => syncDirectory(layout.root))
  } catch (error) {
    await undo(draft)
    throw error
  }
  if (journaled) await clearJournal(layout)
}

async function place({ layout }: Draft, placements: readonly Placement[]): Promise<void> {
  if (placements.length === 0) return
  await explaining(`cannot write ${layout.targets}`, async () => {
    for (const { file, hash, temporary } of placements)
      await rename(temporary, targetPath(layout, hash, file))
    await syncDirectory(layout.targets)
  })
}

async function keepWaiting(
  draft: Draft,
  { all, edited, ready }: Pick<Work, 'all' | 'edited' | 'ready'>,
): Promise<void> {
  const changed = edited.size > 0 && [...edited.keys()].some((role) => !ready.has(role))
  if (!changed && ![...ready.keys()].some((role) => draft.pending.has(role))) return
  const root = draft.pending.get('root')
  const left = [...all].filter(([role]) => !ready.has(role))
  await writePending(draft.layout, new Map([...(root ? [['root', root] as const] : []), ...left]))
}

// With what is on the disk now, which tells whether the commit had happened.
async function undo({ layout, committed: _old, ...parts }: Draft): Promise<void> {
  try {
    const [committed, pending] = [await readCommitted(layout), await readPending(layout)]
    await recover(new Draft({ ...parts, layout, committed, pending }))
  } catch {
    // The next run will.
  }
}

/** The targets that the world is about to be told something new of. */
async function findTouched(draft: Draft, ready: Envelopes): Promise<Map<string, Target>> {
  const touched = new Map<string, Target>()
  for (const [role, { signed }] of ready) {
    const before = (await draft.readCommitted(role))?.signed.targets ?? {}
    for (const [file, target] of Object.entries(signed.targets)) {
      const old = Object.hasOwn(before, file) ? before[file] : undefined
      if (isSafeName(file) && !isDeepStrictEqual(old, target)) touched.set(file, target)
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
