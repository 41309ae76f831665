import { GupperError } from '../../errors.ts'
import { forwardable, highest, withoutRotated, withRoot, type Forwardable, type Marks } from './marks.ts'
import { parseMetadata } from './metadata.ts'
import type { Envelope, Root, Snapshot, Timestamp } from './model.ts'
import { loadRole } from './role.ts'
import { capOf, checkFile, demandFresh, fileName, refuseOlder } from './rules.ts'
import { demandThreshold, identitiesOf, signersOf } from './threshold.ts'
import type { Trusted } from './trusted.ts'

/**
 * Brings the top roles up to date (sections 5.3 to 5.6); what was proven before a failure is in `fresh` all the same.
 * @throws GupperError `untrusted`, `expired`, `rolled-back` (77), `not-found`, `unreachable` (69), `too-large` (76)
 */
export async function refresh(trusted: Trusted): Promise<void> {
  if (trusted.options.quick === true && (await isCurrent(trusted))) return
  await updateRoot(trusted)
  await updateTimestamp(trusted)
  await updateSnapshot(trusted)
  await loadRole(trusted, 'targets', trusted.root.signed)
}

async function isCurrent(trusted: Trusted): Promise<boolean> {
  const { options, limits, root } = trusted
  const bytes = await options.known('timestamp')
  if (bytes === undefined || root.signed.version < trusted.marks.root) return false
  // Asked for first, so that what is known is proven while the answer is on its way.
  const asking = options.remote.readMetadata('timestamp.json', limits.timestamp)
  asking.catch(() => undefined)
  try {
    demandFresh(root.signed, 'root.json', options.now)
    const timestamp = readTimestamp(trusted, bytes)
    demandFresh(timestamp.signed, 'timestamp.json', options.now)
    refuseOlder('timestamp.json', timestamp.signed.version, trusted.marks.timestamp)
    const snapshot = await readKnownSnapshot(trusted)
    if (snapshot?.signed.version !== timestamp.signed.meta['snapshot.json'].version) return false
    refuseOlder('snapshot.json', snapshot.signed.version, trusted.marks.snapshot)
    demandFresh(snapshot.signed, 'snapshot.json', options.now)
    const served = await asking
    if (served === undefined || !Buffer.from(served).equals(bytes)) return false
    Object.assign(trusted, { timestamp, snapshot })
    // They may have been lost, or a run was killed before it set them.
    const marks = mark({ ...trusted, marks: mark(trusted, 'timestamp', timestamp) }, 'snapshot', snapshot)
    const roles = versionsOf(snapshot.signed)
    trusted.marks = highest(marks, { ...marks, root: root.signed.version, roles })
    await loadRole(trusted, 'targets', root.signed)
    return true
  } catch (error) {
    if (!(error instanceof GupperError) || error.exit !== 77) throw error
    forget(trusted)
    return false
  }
}

function forget(trusted: Trusted): void {
  Object.assign(trusted, { timestamp: undefined, snapshot: undefined, size: 0 })
  trusted.roles.clear()
  trusted.fresh.delete('targets')
}

// Section 5.3: every root in between, each signed by the keys of the one before it and by its own.
async function updateRoot(trusted: Trusted): Promise<void> {
  const { options, limits } = trusted
  for (let count = 0; count < limits.rotations; count++) {
    const { signed: old } = trusted.root
    const name = `${old.version + 1}.root.json`
    const bytes = await options.remote.readMetadata(name, limits.root)
    if (bytes === undefined) break
    const next = parseMetadata('root', bytes, name)
    demandThreshold(old.roles.root, old.keys, next, name)
    demandThreshold(next.signed.roles.root, next.signed.keys, next, name)
    if (next.signed.version !== old.version + 1)
      throw new GupperError('untrusted', `${name} says that it is version ${next.signed.version}`)
    trusted.root = next
    trusted.fresh.set('root', bytes)
    trusted.marks = withRoot(trusted.marks, bytes)
  }
  const { signed: root } = trusted.root
  // Before anything is concluded from it: an older root knows other keys, and would have the marks forgotten.
  if (root.version < trusted.marks.root)
    throw new GupperError(
      'rolled-back',
      `the newest root has version ${root.version}, but ${trusted.marks.root} was seen before`,
    )
  if (trusted.fresh.has('root') && (await wereRevoked(trusted)))
    for (const role of forwardable) trusted.stale.add(role)
  trusted.marks = { ...withoutRotated(trusted.marks, root), root: root.version }
  demandFresh(root, 'root.json', options.now)
}

// Section 5.3.11: what the new root's keys did not sign is forgotten, which recovers from a fast-forward attack.
async function wereRevoked(trusted: Trusted): Promise<boolean> {
  const [timestamp, snapshot] = await Promise.all(forwardable.map((role) => trusted.options.known(role)))
  return (
    (timestamp !== undefined && tryRead(() => readTimestamp(trusted, timestamp)) === undefined) ||
    (snapshot !== undefined && tryRead(() => readSnapshot(trusted, snapshot)) === undefined)
  )
}

// What may be forgotten when these keys are taken back.
function mark({ root, marks }: Trusted, role: Forwardable, envelope: Envelope): Marks {
  const { keys, roles }: Root = root.signed
  const { version } = envelope.signed
  // What is marked already keeps its signers: the same may come with more signatures.
  if (marks[role] === version && marks.signers[role].length > 0) return marks
  const signers = [...identitiesOf(signersOf(roles[role], keys, envelope), keys)].sort()
  return { ...marks, [role]: version, signers: { ...marks.signers, [role]: signers } }
}

/** What is known of a role, unless it was said by keys that were replaced. */
async function readKnown({ options, stale }: Trusted, role: string): Promise<Uint8Array | undefined> {
  return stale.has(role) ? undefined : options.known(role)
}

function readTimestamp({ root }: Trusted, bytes: Uint8Array): Envelope<Timestamp> {
  const timestamp = parseMetadata('timestamp', bytes, 'timestamp.json')
  demandThreshold(root.signed.roles.timestamp, root.signed.keys, timestamp, 'timestamp.json')
  return timestamp
}

function tryRead<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof GupperError && error.code === 'untrusted') return undefined
    throw error
  }
}

// Section 5.4.
async function updateTimestamp(trusted: Trusted): Promise<void> {
  const { options, limits, marks } = trusted
  const known = await readKnown(trusted, 'timestamp')
  // One that is broken or no longer signed well is as none; the marks still stand.
  const old = known && tryRead(() => readTimestamp(trusted, known))
  if (trusted.marks.timestamp > (old?.signed.version ?? 0))
    options.observer?.warn(
      `the trusted timestamp.json is ${known ? (old ? 'older than it was' : 'damaged') : 'gone'}; asking for everything anew`,
    )
  const bytes = await options.remote.readMetadata('timestamp.json', limits.timestamp)
  if (bytes === undefined) throw new GupperError('not-found', 'the repository has no timestamp.json')
  const served = readTimestamp(trusted, bytes)
  refuseOlder('timestamp.json', served.signed.version, Math.max(marks.timestamp, old?.signed.version ?? 0))
  const isNew = served.signed.version !== old?.signed.version
  const timestamp = isNew ? served : old
  const { version } = timestamp.signed.meta['snapshot.json']
  const before = Math.max(marks.snapshot, old?.signed.meta['snapshot.json'].version ?? 0)
  refuseOlder('snapshot.json', version, before)
  demandFresh(timestamp.signed, 'timestamp.json', options.now)
  trusted.timestamp = timestamp
  if (isNew) trusted.fresh.set('timestamp', bytes)
  trusted.marks = mark(trusted, 'timestamp', timestamp)
}

async function readKnownSnapshot(trusted: Trusted): Promise<Envelope<Snapshot> | undefined> {
  const known = await readKnown(trusted, 'snapshot')
  return known && tryRead(() => readSnapshot(trusted, known))
}

function readSnapshot({ root }: Trusted, bytes: Uint8Array): Envelope<Snapshot> {
  const snapshot = parseMetadata('snapshot', bytes, 'snapshot.json')
  demandThreshold(root.signed.roles.snapshot, root.signed.keys, snapshot, 'snapshot.json')
  return snapshot
}

// Section 5.5.
async function updateSnapshot(trusted: Trusted): Promise<void> {
  const { options, limits, root, timestamp } = trusted
  if (timestamp === undefined) throw new Error('the snapshot comes after the timestamp')
  const wanted = timestamp.signed.meta['snapshot.json']
  const old = await readKnownSnapshot(trusted)
  let snapshot: Envelope<Snapshot>
  if (old?.signed.version !== wanted.version) {
    const name = fileName('snapshot', wanted.version, root.signed)
    const bytes = await options.remote.readMetadata(name, capOf(wanted, limits.snapshot, limits))
    if (bytes === undefined) throw new GupperError('not-found', `the repository has no ${name}`)
    checkFile(name, bytes, wanted)
    snapshot = readSnapshot(trusted, bytes)
    if (snapshot.signed.version !== wanted.version)
      throw new GupperError('untrusted', `${name} says that it is version ${snapshot.signed.version}`)
    refuseOlderRoles(snapshot.signed, old?.signed, trusted.marks)
    demandFresh(snapshot.signed, 'snapshot.json', options.now)
    trusted.fresh.set('snapshot', bytes)
  } else {
    snapshot = old
    demandFresh(snapshot.signed, 'snapshot.json', options.now)
  }
  trusted.snapshot = snapshot
  trusted.marks = { ...mark(trusted, 'snapshot', snapshot), roles: versionsOf(snapshot.signed) }
}

// Section 5.5.5; a role that is gone would hide that it was set back.
function refuseOlderRoles(snapshot: Snapshot, old: Snapshot | undefined, marks: Marks): void {
  const before = new Map(Object.entries(marks.roles))
  for (const [name, version] of Object.entries(versionsOf(old)))
    before.set(name, Math.max(version, before.get(name) ?? 0))
  for (const [name, version] of before) {
    const now = Object.hasOwn(snapshot.meta, name) ? snapshot.meta[name] : undefined
    if (now === undefined) throw new GupperError('rolled-back', `${name} is gone from the snapshot`)
    refuseOlder(name, now.version, version)
  }
}

function versionsOf(snapshot: Snapshot | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(snapshot?.meta ?? {}).map(([name, { version }]) => [name, version]),
  )
}
