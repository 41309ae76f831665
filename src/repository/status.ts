import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError } from '../errors.ts'
import type { Transport } from '../sources/transport/transport.ts'
import { delegatedKeys, delegatedNames } from '../trust/tuf/delegation.ts'
import { metadataLimits } from '../trust/tuf/limits.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import type { Delegations, Envelope, Kinds, Root, Snapshot, Targets } from '../trust/tuf/model.ts'
import { binNames } from './roles/bins.ts'
import { findKey, type Keyring } from './keys/keyring.ts'
import { layoutOf, metadataName } from './layout.ts'
import { lifeOf, type Lives } from './lives.ts'
import { readWaiting } from './pending/read.ts'
import { lackOfWaiting } from './pending/file.ts'
import { lackOf, type Authority } from './sign.ts'

/** How a role is: `waits` for signatures, `unsigned` by enough of its keys, or `missing` where its file is. */
export type State = 'ok' | 'expiring' | 'expired' | 'unsigned' | 'missing' | 'waits'

/** A role of a repository, or a change of one that waits. */
export interface RoleStatus {
  role: string
  version: number
  state: State
  expires?: string
  /** How long that is, in seconds. */
  left?: number
  threshold: number
  keys: { keyid: string; type: string; path?: string }[]
  /** Of a change that waits: how many signatures it lacks, and which keys have not signed. */
  missing?: number
  awaits?: string[]
  /** Of the hash bins, which are one line: how many there are. */
  count?: number
}

/** What a status is taken by. */
export interface StatusOptions {
  keyring: Keyring
  lives: Lives
  /** What expires within this time is `expiring`, in ms. */
  within: number
  now: Date
}

/**
 * Tells how every role of a repository is, as the world sees it.
 * @param transport where it is
 * @throws GupperError `not-found` (69) where there is none, `untrusted` (77) where its files cannot be read as metadata
 */
export async function* readStatus(transport: Transport, options: StatusOptions): AsyncGenerator<RoleStatus> {
  const root = await readNewestRoot(transport)
  const own = (role: keyof Root['roles']): Authority => ({
    role: root.signed.roles[role],
    keys: root.signed.keys,
  })
  yield judge('root', root, own('root'), options)
  const timestamp = await read(transport, 'timestamp', 'timestamp.json')
  yield judge('timestamp', timestamp, own('timestamp'), options)
  const version = timestamp?.signed.meta['snapshot.json'].version ?? 0
  const snapshot = await read(transport, 'snapshot', metadataName('snapshot', version))
  yield judge('snapshot', snapshot, own('snapshot'), options, version)
  const top = await readRole(transport, snapshot, 'targets')
  yield judge('targets', top, own('targets'), options)
  const { delegations } = top?.signed ?? {}
  if (delegations === undefined) return
  const bins = new Set(binNames(delegations))
  const found: RoleStatus[] = []
  const met = new Map<string, Delegations>([['targets', delegations]])
  // Clients go as deep as it goes, though here only targets delegates.
  for (const one of met.values())
    for (const name of delegatedNames(one).take(metadataLimits.roles)) {
      const role = delegatedKeys(one, name)
      if (role === undefined) continue
      const envelope = await readRole(transport, snapshot, name)
      const status = judge(name, envelope, { role, keys: one.keys }, options)
      if (one === delegations && bins.has(name)) found.push(status)
      else yield status
      const deeper = envelope?.signed.delegations
      if (deeper !== undefined && !met.has(name)) met.set(name, deeper)
    }
  const worst = found.toSorted((a, b) => severity(b) - severity(a) || (a.left ?? 0) - (b.left ?? 0))[0]
  if (worst !== undefined)
    yield { ...worst, role: `${worst.role.replace(/-[^-]*$/, '')}-*`, count: found.length }
}

const order: readonly State[] = ['ok', 'waits', 'expiring', 'expired', 'unsigned', 'missing']

function severity({ state }: RoleStatus): number {
  return order.indexOf(state)
}

function judge(
  role: string,
  envelope: Envelope | undefined,
  authority: Authority,
  { keyring, lives, within, now }: StatusOptions,
  version = 0,
): RoleStatus {
  const base = { role, threshold: authority.role.threshold, keys: keysOf(authority, keyring) }
  if (envelope === undefined) return { ...base, version, state: 'missing' }
  const { expires } = envelope.signed
  const left = Date.parse(expires) - now.getTime()
  // What lives shorter than that would always be about to expire: it is, when half of its life is over.
  const limit = Math.min(within, lifeOf(lives, role) / 2)
  const signed = lackOf(envelope, authority) === 0
  const state = !signed ? 'unsigned' : left <= 0 ? 'expired' : left < limit ? 'expiring' : 'ok'
  return { ...base, version: envelope.signed.version, state, expires, left: Math.floor(left / 1000) }
}

function keysOf({ role, keys }: Authority, keyring: Keyring): RoleStatus['keys'] {
  return role.keyids.map((keyid) => {
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined
    const path = key && findKey(keyring, key)?.path
    return { keyid, type: key?.scheme ?? 'unknown', ...(path !== undefined && { path }) }
  })
}

async function readNewestRoot(transport: Transport): Promise<Envelope<Root>> {
  let newest: Envelope<Root> | undefined
  for (let version = 1; ; version++) {
    const next = await read(transport, 'root', metadataName('root', version))
    if (next === undefined) break
    newest = next
  }
  if (newest !== undefined) return newest
  throw new GupperError('not-found', `${transport.url} is no signed repository: it has no root metadata`, {
    hint: 'gupper trust init makes one; one whose first root lacks signatures is shown by its own directory',
  })
}

async function read<K extends keyof Kinds>(
  transport: Transport,
  kind: K,
  name: string,
): Promise<Envelope<Kinds[K]> | undefined> {
  const bytes = await transport.readMetadata(name, metadataLimits.all)
  return bytes && parseMetadata(kind, bytes, name)
}

async function readRole(
  transport: Transport,
  snapshot: Envelope<Snapshot> | undefined,
  role: string,
): Promise<Envelope<Targets> | undefined> {
  const meta = snapshot?.signed.meta
  const file = `${role}.json`
  const version = meta && Object.hasOwn(meta, file) ? meta[file]?.version : undefined
  return version === undefined ? undefined : read(transport, 'targets', metadataName(role, version))
}

/**
 * Tells what waits for signatures in a repository's directory.
 * @throws GupperError `untrusted` (77) where something was changed after it was signed
 */
export async function* readPendingStatus(
  repository: string,
  { keyring, now }: StatusOptions,
): AsyncGenerator<RoleStatus> {
  for (const one of await readWaiting(repository)) {
    const { role, envelope, authorities } = one
    const { version, expires } = envelope.signed
    const signers = new Set(envelope.signatures.map(({ keyid }) => keyid))
    const [first] = authorities
    const awaits = authorities.flatMap(({ role }) => role.keyids).filter((id) => !signers.has(id))
    yield {
      role,
      version,
      state: 'waits',
      expires,
      left: Math.floor((Date.parse(expires) - now.getTime()) / 1000),
      threshold: Math.max(0, ...authorities.map(({ role }) => role.threshold)),
      keys: first === undefined ? [] : keysOf(authorities.at(-1) ?? first, keyring),
      missing: lackOfWaiting(one),
      awaits: [...new Set(awaits)],
    }
  }
}

/** The files in a repository's directory that a run which was cut off has left; the next run that writes there removes them. */
export async function findLeftovers(repository: string): Promise<string[]> {
  const { state, staging, journal } = layoutOf(repository)
  const names = (await readdir(state).catch(() => [])).filter(
    (name) => /\.(new|old)$/.test(name) || name === 'turn',
  )
  const staged = (await readdir(staging).catch(() => [])).map((name) => join(staging, name))
  const cut = await stat(journal).then(
    () => [journal],
    () => [],
  )
  return [...cut, ...names.map((name) => join(state, name)), ...staged]
}
