import { stat } from 'node:fs/promises'
import { GupperError } from '../../errors.ts'
import { silent } from '../../package/observer.ts'
import { withLock } from '../../store/lock.ts'
import type { Envelope, Keys, Root, Targets } from '../../trust/tuf/model.ts'
import { signedBytes } from '../../trust/tuf/threshold.ts'
import { isSigned } from '../committed.ts'
import type { Draft } from '../draft.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { shortId } from '../roles/key-change.ts'
import { layoutOf, metadataPath, type Layout } from '../layout.ts'
import { readPending, settlePending, type Pending } from './pending.ts'
import { contextOfRoot, withContext, type Context } from './context.ts'
import { demandFollows, demandTrueIds, keysIn } from './demands.ts'
import { quoted } from './quote.ts'
import { readPendingFile, refuseTampered, type Waiting } from './file.ts'
import { findUnfit } from '../fitness.ts'
import type { Authority } from '../sign.ts'
import { finishTurn } from '../roles/turn.ts'

/**
 * What waits in a repository, and what files would bring, after what an earlier run left undone has been settled; for
 * whoever is about to sign it.
 * @throws GupperError as {@link inRepository} and {@link collect}
 */
export async function reviewWaiting(
  repository: string,
  files: readonly string[],
  options: RepositoryOptions,
): Promise<Waiting[]> {
  return inRepository(repository, { ...options, observer: silent }, async (layout, draft) => {
    const { waiting } = await collect(layout, draft, files)
    return waiting
  })
}

/** Works on a repository, also on one whose first root still waits: then there is no draft. */
export async function inRepository<T>(
  repository: string,
  options: RepositoryOptions,
  work: (layout: Layout, draft: Draft | undefined) => Promise<T>,
): Promise<T> {
  const layout = layoutOf(repository)
  const { wait = 60_000, signal, observer = silent } = options
  const first = (await isSigned(layout)) ? await findFirst(layout) : undefined
  if (first === undefined) return holdRepository(repository, options, (draft) => work(layout, draft))
  return withLock(layout.lock, { what: layout.root, wait, signal, observer }, async () => {
    await settlePending(layout)
    await finishTurn(layout)
    return work(layout, undefined)
  })
}

/** The first root of a repository, where it still waits for signatures. */
export async function findFirst(layout: Layout): Promise<Envelope<Root> | undefined> {
  const there = await stat(metadataPath(layout, 'root', 1)).catch(() => undefined)
  if (there !== undefined) return undefined
  return (await readPending(layout)).get('root') as Envelope<Root> | undefined
}

/** What is there to be signed. */
export interface Collected {
  waiting: Waiting[]
  /** What waited before the files came. */
  before: Pending
  /** Whether something waited that is of no use any more. */
  dropped: boolean
}

/**
 * Finds what waits in a repository, and adds what files bring: the signatures to a change that waits there already, or the
 * change itself if it is the next one.
 * @param draft nothing where the first root still waits
 * @throws GupperError `untrusted` (77) where something was changed after it was signed, does not follow on what stands, or
 * has another key under an id; `conflict` (65) where another change came first; and what makes it unfit for clients, see
 * {@link findUnfit}
 */
export async function collect(
  layout: Layout,
  draft: Draft | undefined,
  files: readonly string[],
): Promise<Collected> {
  const all = await readPending(layout)
  const before: Pending = draft?.pending ?? all
  for (const role of all.keys())
    if (!before.has(role))
      draft?.observer.warn(`what waited in ${quoted(role)} is void: another change came first`, {
        hint: 'make it again',
      })
  const pending = new Map(before)
  const brought = new Set<string>()
  for (const file of files) {
    const one = await readPendingFile(file)
    bringIn(pending, one, file, draft)
    brought.add(one.role)
  }
  if (draft !== undefined) await demandFit(draft.with({ pending }), brought)
  const root = pending.get('root') as Envelope<Root> | undefined
  const placed: Pending =
    draft === undefined
      ? new Map(root && [['root', { ...root, gupper: contextOfRoot(root, undefined) }]])
      : await withContext(draft.with({ pending }), pending)
  const waiting = [...placed.values()].map(({ gupper, ...envelope }) => ({
    ...(gupper as Context),
    envelope: envelope,
  }))
  for (const one of waiting) {
    const what = `what waits in ${quoted(one.role)}`
    refuseTampered(one, what)
    demandFollows(one, draft?.versionOf(one.role) ?? 0, what)
    demandTrueIds(one, keysKnownFor(one), what)
    warnOfStrangers(one, draft)
  }
  return { waiting, before, dropped: all.size > before.size }
}

async function demandFit(draft: Draft, brought: ReadonlySet<string>): Promise<void> {
  const envelopes = [...brought].flatMap((role) => {
    const envelope = draft.waiting(role)
    return envelope === undefined ? [] : [[role, envelope] as const]
  })
  for (const reason of (await findUnfit(draft, new Map(envelopes))).values()) throw reason
}

// Targets take keys over from root, for their bins; root's own are what is to be judged.
function keysKnownFor({ role, before, authorities }: Waiting): Keys[] {
  const above = role === 'root' ? [] : authorities.map(({ keys }) => keys)
  return [...(before ? [keysIn(before)] : []), ...above]
}

function warnOfStrangers({ role, envelope, authorities }: Waiting, draft: Draft | undefined): void {
  const known = new Set(authorities.flatMap(({ role }: Authority) => role.keyids))
  for (const { keyid } of envelope.signatures)
    if (!known.has(keyid))
      draft?.observer.warn(
        `a signature of ${quoted(shortId(keyid))} does not count: it is no key of ${quoted(role)}`,
      )
}

function bringIn(
  pending: Map<string, Envelope<Root> | Envelope<Targets>>,
  { role, envelope }: Waiting,
  file: string,
  draft: Draft | undefined,
): void {
  const { version } = envelope.signed
  const last = draft?.versionOf(role) ?? 0
  const late = version !== last + 1
  const there = pending.get(role)
  if (there === undefined ? late : !signedBytes(there).equals(signedBytes(envelope)))
    throw new GupperError(
      'conflict',
      late
        ? `${file} is version ${version} of ${quoted(role)}, but another change came first: it is at ${last}`
        : `${file} is another change of ${quoted(role)} than the one that waits`,
      { hint: 'look at what waits (gupper trust status), and sign that' },
    )
  const known = new Set(there?.signatures.map(({ keyid }) => keyid))
  const more = envelope.signatures.filter(({ keyid }) => !known.has(keyid))
  pending.set(role, { ...envelope, signatures: [...(there?.signatures ?? []), ...more] })
}
