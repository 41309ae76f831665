import { rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { GupperError, explaining } from '../errors.ts'
import { syncDirectory } from '../store/durable.ts'
import { readRegular } from '../store/read-regular.ts'
import { identityOf } from '../trust/tuf/key.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import type { Envelope, Root, Signed, Snapshot, Targets, Timestamp } from '../trust/tuf/model.ts'
import { dropAnchor } from './anchor.ts'
import { commit, writePart } from './commit.ts'
import { describe, specVersion, writeEnvelope } from './envelope.ts'
import { demandReachable, type NamedKey } from './roles/key-change.ts'
import type { Keyring } from './keys/keyring.ts'
import { metadataPath, type Layout } from './layout.ts'
import { expiresAfter, type Lives } from './lives.ts'
import { keyNames, type KeyName, type Own } from './keys/own-keys.ts'
import { readPending, writePending } from './pending/pending.ts'
import { contextOfRoot } from './pending/context.ts'
import { lackOf, signWith } from './sign.ts'

/** Who signs the root of a new repository besides its own key. */
export interface RootOptions {
  keys?: readonly NamedKey[] | undefined
  threshold?: number | undefined
}

/**
 * Writes the first metadata of a repository, timestamp.json last; a root that takes other signatures too waits for them.
 * @returns whether it does
 * @throws GupperError `conflict` (65) over a root with other keys, `cannot-write` or `no-space` (73)
 */
export async function writeFirst(
  layout: Layout,
  own: Record<KeyName, Own>,
  lives: Lives,
  now: Date,
  { keys: others = [], threshold = 1 }: RootOptions = {},
): Promise<boolean> {
  const role = (name: KeyName) => ({ keyids: [own[name].id], threshold: 1 })
  const roles = {
    root: { keyids: [own.root.id, ...others.map(({ id }) => id)], threshold },
    targets: role('targets'),
    snapshot: role('online'),
    timestamp: role('online'),
  }
  const keyring: Keyring = {
    keys: new Map(keyNames.map((name) => [identityOf(own[name].half), own[name]])),
    places: [],
    troubles: [],
  }
  const all = [...keyNames.map((name) => own[name]), ...others]
  const keys = Object.fromEntries(all.map(({ id, key }) => [id, key]))
  demandReachable('root', { role: roles.root, keys })
  const head = <K extends keyof typeof roles>(type: K) => ({
    _type: type,
    spec_version: specVersion,
    version: 1,
    expires: expiresAfter(lives[type], now),
  })
  const sign = (type: keyof typeof roles, signed: Signed): Buffer =>
    writeEnvelope(signWith({ signed, signatures: [] }, { role: roles[type], keys }, keyring))

  const root: Root = { ...head('root'), consistent_snapshot: true, keys, roles }
  const envelope = signWith({ signed: root, signatures: [] }, { role: roles.root, keys }, keyring)
  const waits = lackOf(envelope, { role: roles.root, keys }) > 0
  if (waits) await leaveRoot(layout, envelope)
  else await dropAnchor(dirname(own.root.path), await placeRoot(layout, writeEnvelope(envelope), root))
  const targets: Targets = { ...head('targets'), targets: {} }
  const targetsBytes = sign('targets', targets)
  const snapshot: Snapshot = { ...head('snapshot'), meta: { 'targets.json': describe(1, targetsBytes) } }
  const snapshotBytes = sign('snapshot', snapshot)
  const timestamp: Timestamp = { ...head('timestamp'), meta: { 'snapshot.json': describe(1, snapshotBytes) } }
  await commit(layout, {
    files: [
      { role: 'targets', version: 1, bytes: targetsBytes },
      { role: 'snapshot', version: 1, bytes: snapshotBytes },
    ],
    timestamp: sign('timestamp', timestamp),
  })
  return waits
}

/** Leaves the first root for the holders of its other keys to sign; one of a run that was cut off stays. */
async function leaveRoot(layout: Layout, root: Envelope<Root>): Promise<void> {
  const there = (await readPending(layout)).get('root')?.signed as Root | undefined
  if (JSON.stringify(there?.roles) === JSON.stringify(root.signed.roles)) return
  await writePending(layout, new Map([['root', { ...root, gupper: contextOfRoot(root, undefined) }]]))
}

/** Places the first root. One of a run that was cut off stays if it has the same keys: somebody may have copied it. */
async function placeRoot(layout: Layout, bytes: Buffer, wanted: Root): Promise<Buffer> {
  const path = metadataPath(layout, 'root', 1)
  const there = await readRegular(path).catch(() => undefined)
  if (there !== undefined) {
    const { roles } = parseMetadata('root', there, path).signed
    if (JSON.stringify(roles) === JSON.stringify(wanted.roles)) return there
    throw new GupperError('conflict', `${path} has other keys than these`, {
      hint: 'give the directory of its keys, or choose another repository',
    })
  }
  const next = join(layout.state, 'root.json.new')
  await writePart(next, bytes)
  await explaining(`cannot write ${path}`, async () => {
    await rename(next, path)
    await syncDirectory(layout.metadata)
  })
  return bytes
}
