import { isDeepStrictEqual } from 'node:util'
import { identityOf } from '../../trust/tuf/key.ts'
import type { Envelope, Root, Targets, TopRole } from '../../trust/tuf/model.ts'
import type { Draft } from '../draft.ts'
import { specVersion } from '../envelope.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { changeKeys, type KeyChange } from './key-change.ts'
import type { Keyring, SigningKey } from '../keys/keyring.ts'
import { expiresAfter, isHalfSpent } from '../lives.ts'
import { rootAuthority } from '../pending/context.ts'
import { isSeen, unseen } from '../pending/seen.ts'
import type { Own } from '../keys/own-keys.ts'
import { dropUnused, retire } from '../keys/retire.ts'
import { keepRoot, lackOfRoot, tryTurn } from './root-turn.ts'
import { countKeys, missingKey, pickKeys, signWith, unite } from '../sign.ts'

/** What came of a change of the root. */
export interface RootChanged {
  repository: string
  /** The version of the root. */
  version: number
  changed: boolean
  keys: string[]
  threshold: number
  /** Where it waits for signatures: how many of root it lacks; 0 where the keys of other roles are missing. */
  pending?: true
  missing?: number
  /** The files of keys that this repository does not need any more. */
  retired: string[]
}

/** A change, and a private key that was made for it. */
export interface Prepared {
  change: KeyChange
  own?: Own | undefined
}

/**
 * Changes who may sign some of root's roles. Where signatures are missing, the change waits in REPO/.gupper/pending/.
 * @param repository the directory, REPO
 * @param roles which ones
 * @param prepare gives the change for the version that the root gets
 * @param must whether one of the old keys has to be at hand; else one of the new ones is enough to propose a change
 * @throws GupperError `usage` (64) where a threshold could not be reached, `config` (78) without a root key, and what
 * {@link holdRepository} throws
 */
export async function changeRoot(
  repository: string,
  roles: readonly TopRole[],
  options: RepositoryOptions,
  prepare: (version: number) => Promise<Prepared>,
  must = false,
): Promise<RootChanged> {
  return holdRepository(repository, options, async (draft) => {
    const { root } = draft.committed
    const authority = rootAuthority(root.signed)
    if (must && countKeys(authority, draft.keyring) === 0) throw missingKey('root', authority, draft.keyring)
    const waited = waitingRoot(draft)
    if (waited && !isSeen(waited, unite(rootAuthority(waited.signed), authority), draft.keyring))
      throw unseen(draft.layout, 'root', waited)
    const signed = nextRoot(draft, waited ?? root)
    const prepared = await prepare(signed.version)
    return withMade(draft, prepared, () => bringAbout(draft, roles, signed, prepared))
  })
}

async function bringAbout(
  draft: Draft,
  roles: readonly TopRole[],
  signed: Root,
  { change, own }: Prepared,
): Promise<RootChanged> {
  const { root } = draft.committed
  const authority = rootAuthority(root.signed)
  const waited = waitingRoot(draft)
  const able = countKeys(authority, draft.keyring) > 0
  for (const role of roles) changeKeys(role, { role: signed.roles[role], keys: signed.keys }, change)
  signed.keys = pickKeys(
    Object.values(signed.roles).flatMap(({ keyids }) => keyids),
    signed.keys,
  )
  const keyring = own === undefined ? draft.keyring : withKey(draft.keyring, own)
  const [role = 'root'] = roles
  const { keyids: keys, threshold } = signed.roles[role]
  const described = { repository: draft.layout.root, keys, threshold }
  const before = (waited ?? root).signed
  const isSame = isDeepStrictEqual([signed.roles, signed.keys], [before.roles, before.keys])
  if (isSame && waited === undefined) {
    // A run that was cut off may have had no time for this.
    const retired = await retire(draft, draft.committed.previous?.signed, root.signed)
    return { ...described, version: root.signed.version, changed: false, retired }
  }
  if (!isSame && waited !== undefined)
    draft.observer.warn('this adds to a change of root that waits: all of it is to be signed anew')
  const base = isSame && waited !== undefined ? waited : { signed, signatures: [] }
  const next = signRoot(base, root, keyring)
  if (!able && next.signatures.length === 0) throw missingKey('root', authority, draft.keyring)
  const outcome = await tryTurn(draft.with({ keyring }), next, { keep: true })
  const result = { ...described, version: signed.version, changed: !isSame }
  if (outcome === undefined) return { ...result, pending: true, missing: lackOfRoot(next, root), retired: [] }
  return { ...result, retired: await retire(draft, root.signed, next.signed) }
}

/** Makes a change; where it fails, the key that was made for it is deleted. */
export async function withMade<T>({ layout }: Draft, { own }: Prepared, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (own !== undefined) await dropUnused(layout, own)
    throw error
  }
}

/** Adds the signatures of the keys at hand, of the root before and of its own, to those that stand. */
export function signRoot(
  next: Envelope<Root>,
  before: Envelope<Root> | undefined,
  keyring: Keyring,
): Envelope<Root> {
  const own = rootAuthority(next.signed)
  return signWith(next, before === undefined ? own : unite(own, rootAuthority(before.signed)), keyring)
}

/** The root that waits for signatures. */
export function waitingRoot(draft: Draft): Envelope<Root> | undefined {
  return draft.pending.get('root') as Envelope<Root> | undefined
}

/**
 * Signs the root again when less than half of its life is left and keys of it are at hand.
 * @returns the root that is to be the next one: that, or one that waits
 */
export async function renewRoot(draft: Draft): Promise<Envelope<Root> | undefined> {
  const { root } = draft.committed
  const waited = waitingRoot(draft)
  const due = isHalfSpent(root.signed.expires, draft.lives.root, draft.now)
  if (waited !== undefined || !due || countKeys(rootAuthority(root.signed), draft.keyring) === 0)
    return waited
  const next = signRoot({ signed: nextRoot(draft, root), signatures: [] }, root, draft.keyring)
  if (lackOfRoot(next, root) > 0) await keepRoot(draft, next, waitingTargets(draft))
  return next
}

function waitingTargets(draft: Draft): Map<string, Envelope<Targets>> {
  return new Map(
    [...draft.pending.keys()].flatMap((role) => {
      const envelope = draft.waiting(role)
      return envelope === undefined ? [] : [[role, envelope] as const]
    }),
  )
}

function nextRoot({ committed, lives, now }: Draft, { signed }: Envelope<Root>): Root {
  return {
    ...structuredClone(signed),
    spec_version: specVersion,
    version: committed.root.signed.version + 1,
    expires: expiresAfter(lives.root, now),
  }
}

/** A keyring with one key more. */
export function withKey({ keys, ...rest }: Keyring, own: SigningKey): Keyring {
  return { ...rest, keys: new Map([...keys, [identityOf(own.half), own]]) }
}
