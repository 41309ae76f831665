import { GupperError } from '../../errors.ts'
import type { Envelope, Root, Targets } from '../../trust/tuf/model.ts'
import { signedBytes, signersOf } from '../../trust/tuf/threshold.ts'
import { conclude } from '../conclude.ts'
import type { Draft } from '../draft.ts'
import type { RepositoryOptions } from '../hold.ts'
import { noKeys, type Keyring } from '../keys/keyring.ts'
import type { Layout } from '../layout.ts'
import { addOutsideSignature, type OutsideSignature } from './outside-signature.ts'
import { writePending, type Pending } from './pending.ts'
import { collect, inRepository } from './collect.ts'
import { contextOfRoot } from './context.ts'
import { readCarried, signerOf } from './carried.ts'
import { lackOfWaiting, writePendingFile, type Waiting } from './file.ts'
import { quoted } from './quote.ts'
import { waitingRoot } from '../roles/root-change.ts'
import { tryTurn } from '../roles/root-turn.ts'
import { countKeys, missingKey, signWith, unite } from '../sign.ts'
import { commitTurn } from '../roles/turn.ts'
import { writeEnvelope } from '../envelope.ts'

/** What became of something that waited. */
export interface SignedResult {
  role: string
  version: number
  /** The keys that have signed by now. */
  signed: string[]
  /** Whether this run added a signature. */
  changed: boolean
  missing: number
  /** Whether the world has it now. */
  committed: boolean
}

/** What is agreed to: the bytes that would be signed. */
export type Agreed = ReadonlySet<string>

/** What somebody agrees to who has read it. */
export function agreementOf(waiting: readonly Waiting[]): Agreed {
  return new Set(waiting.map(({ envelope }) => signedBytes(envelope).toString('utf8')))
}

/** Adds the signatures of the keys at hand. @throws GupperError `config` (78) where none of them may sign */
function signAll(waiting: readonly Waiting[], keyring: Keyring, must = true): Map<Waiting, Waiting> {
  const results = new Map<Waiting, Waiting>()
  let able = 0
  for (const one of waiting) {
    const [first, ...others] = one.authorities
    if (first === undefined) continue
    const all = others.reduce(unite, first)
    able += countKeys(all, keyring)
    results.set(one, {
      ...one,
      envelope: signWith<Root | Targets>(one.envelope, all, keyring) as typeof one.envelope,
    })
  }
  const [one] = waiting
  if (must && able === 0 && one !== undefined && keyring.places.length > 0)
    throw missingKey(one.role, one.authorities.reduce(unite), keyring)
  return results
}

/**
 * Signs files that were carried away from their repository, each in its place.
 * @param agreed what the signer has read; nothing else is signed
 * @param outside a signature that was made elsewhere, to be added
 * @throws GupperError `config` (78) without a key that may sign, `conflict` (65) where a file was changed meanwhile,
 * `cannot-write` (73), and as {@link readCarried}
 */
export async function signFiles(
  paths: readonly string[],
  agreed: Agreed,
  keyring: Keyring,
  outside?: OutsideSignature,
): Promise<(SignedResult & { file: string })[]> {
  const files = new Map<Waiting, string>()
  for (const path of paths) files.set(await readCarried(path, signerOf(keyring, outside)), path)
  const waiting = [...files.keys()]
  demandAgreed(waiting, agreed)
  const results: (SignedResult & { file: string })[] = []
  const own = signAll(waiting, keyring, outside === undefined)
  for (const [one, next] of outside === undefined ? own : addOutsideSignature(own, outside)) {
    const file = files.get(one) ?? ''
    const changed = next.envelope.signatures.length > one.envelope.signatures.length
    if (changed) await writePendingFile(file, next)
    results.push({ file, ...resultOf(next, changed, false) })
  }
  return results
}

function resultOf(one: Waiting, changed: boolean, committed: boolean): SignedResult {
  const { role, envelope } = one
  const ids = one.authorities.flatMap(({ role }) => role.keyids)
  const signed = envelope.signatures.map(({ keyid }) => keyid).filter((id) => ids.includes(id))
  const { version } = envelope.signed
  return { role, version, signed, changed, missing: lackOfWaiting(one), committed }
}

function demandAgreed(waiting: readonly Waiting[], agreed: Agreed): void {
  for (const { role, envelope } of waiting)
    if (!agreed.has(signedBytes(envelope).toString('utf8')))
      throw new GupperError('conflict', `what waits in ${quoted(role)} was changed while it was read`, {
        hint: 'run the same command again, and read what it says now',
      })
}

/**
 * Adds signatures to what waits in a repository, those that files bring and those of the keys at hand, and commits all
 * that is complete.
 * @param agreed what the signer has read; nothing else is signed
 * @param outside a signature that was made elsewhere, to be added
 * @throws GupperError `untrusted` (77) where something was changed after it was signed, `conflict` (65) where another
 * change came first, `config` (78) without a key that may sign, and what {@link holdRepository} throws
 */
export async function signRepository(
  repository: string,
  files: readonly string[],
  agreed: Agreed,
  options: RepositoryOptions,
  outside?: OutsideSignature,
): Promise<SignedResult[]> {
  return inRepository(repository, options, async (layout, draft) => {
    const { waiting, before, dropped } = await collect(layout, draft, files)
    const { keyring = noKeys } = options
    if (keyring.keys.size > 0) demandAgreed(waiting, agreed)
    const own =
      keyring.places.length > 0
        ? signAll(waiting, keyring, files.length === 0 && outside === undefined)
        : new Map(waiting.map((one) => [one, one]))
    const results = outside === undefined ? own : addOutsideSignature(own, outside)
    const next = new Map([...results.values()].map((one) => [one.role, one.envelope]))
    const isNew = (one: Waiting): boolean =>
      one.envelope.signatures.length > (before.get(one.role)?.signatures.length ?? 0)
    const changed = new Set([...results.values()].filter(isNew).map(({ role }) => role))
    if (changed.size > 0 || dropped) await writePending(layout, contextualize(next, results.values()))
    const committed = draft === undefined ? await commitFirst(layout, next) : await commitAll(draft, next)
    return [...results.values()].map((one) => resultOf(one, changed.has(one.role), committed.has(one.role)))
  })
}

function contextualize(envelopes: Pending, waiting: Iterable<Waiting>): Pending {
  const next = new Map(envelopes)
  for (const { envelope, ...gupper } of waiting) next.set(gupper.role, { ...envelope, gupper })
  return next
}

async function commitAll(draft: Draft, pending: Pending): Promise<ReadonlySet<string>> {
  const next = draft.with({ pending })
  const root = waitingRoot(next)
  const turned = root && (await tryTurn(next, root))
  return (turned ?? (await conclude(next))).committed
}

async function commitFirst(layout: Layout, pending: Pending): Promise<ReadonlySet<string>> {
  const root = pending.get('root') as Envelope<Root> | undefined
  if (root === undefined || lackOfWaiting({ ...contextOfRoot(root, undefined), envelope: root }) > 0)
    return new Set()
  await commitTurn(layout, { version: 1, bytes: writeEnvelope(root) })
  await writePending(layout, new Map())
  return new Set(['root'])
}

/** Whether a key at hand could sign something, and has not. */
export function lacksOwn({ envelope, authorities }: Waiting, keyring: Keyring): boolean {
  return authorities.some(({ role, keys }) => {
    const signed = signersOf(role, keys, envelope)
    const rest = role.keyids.filter((id) => !signed.includes(id))
    return countKeys({ role: { ...role, keyids: rest }, keys }, keyring) > 0
  })
}
