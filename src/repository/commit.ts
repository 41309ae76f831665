import { open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { explaining } from '../errors.ts'
import { openDirectory, syncDirectory } from '../store/durable.ts'
import type { Envelope, Snapshot, Targets, Timestamp } from '../trust/tuf/model.ts'
import { each } from '../package/each.ts'
import type { Draft } from './draft.ts'
import { describe, specVersion, writeEnvelope } from './envelope.ts'
import { metadataName, metadataPath, type Layout } from './layout.ts'
import { expiresAfter, isHalfSpent } from './lives.ts'
import { missingKey, canSign, lackOf, signWith } from './sign.ts'
import { runUpError } from './versions.ts'

/** A file of metadata that is to be committed. */
export interface NewFile {
  role: string
  version: number
  bytes: Buffer
}

/** What a commit writes: files of their own version first, timestamp.json last. */
export interface Change {
  files: readonly NewFile[]
  timestamp: Buffer
}

/** Whether the keys at hand can commit: those of snapshot and of timestamp. */
export function canCommit(draft: Draft): boolean {
  return onlineRoles.every((role) => canSign(draft.authorityIn(undefined, role), draft.keyring))
}

/** @throws GupperError `config` (78) naming the key that is missing for a commit */
export function demandOnline(draft: Draft): void {
  for (const role of onlineRoles) {
    const authority = draft.authorityIn(undefined, role)
    if (!canSign(authority, draft.keyring)) throw missingKey(role, authority, draft.keyring)
  }
}

const onlineRoles = ['snapshot', 'timestamp']

/**
 * Makes the files of a commit: a snapshot, where something changed or half of its life is spent, and a timestamp. Each
 * names the length and the hash of what it refers to, so that a mirror that serves anything else is found out before a
 * byte of it is read.
 * @param roles what speaks for targets and is new
 * @throws GupperError `untrusted` (77) where the version of one was run up, and the key that did it still stands
 */
export async function prepare(draft: Draft, roles: ReadonlyMap<string, Envelope<Targets>>): Promise<Change> {
  const { committed, now, lives } = draft
  warnOfGoingBack(draft, roles)
  const files: NewFile[] = [...roles].map(([role, envelope]) => ({
    role,
    version: envelope.signed.version,
    bytes: writeEnvelope(envelope),
  }))
  let snapshot = committed.timestamp.signed.meta['snapshot.json']
  const { expires } = committed.snapshot.signed
  const due = isHalfSpent(expires, lives.snapshot, now) || committed.stale
  if (files.length > 0 || due) {
    const meta = { ...committed.snapshot.signed.meta }
    for (const { role, version, bytes } of files) meta[`${role}.json`] = describe(version, bytes)
    const version = nextOf('snapshot', draft)
    const signed: Snapshot = { ...head('snapshot', version, draft), meta }
    const bytes = writeEnvelope(await signOnline(signed, draft))
    files.push({ role: 'snapshot', version, bytes })
    snapshot = describe(version, bytes)
  }
  const version = nextOf('timestamp', draft)
  const signed: Timestamp = { ...head('timestamp', version, draft), meta: { 'snapshot.json': snapshot } }
  return { files, timestamp: writeEnvelope(await signOnline(signed, draft)) }
}

function nextOf(role: 'snapshot' | 'timestamp', draft: Draft): number {
  const { [role]: envelope, runUp } = draft.committed
  if (runUp.has(role) && lackOf(envelope, draft.authorityIn(undefined, role)) === 0)
    throw runUpError(draft.layout, role)
  return draft.versionOf(role) + 1
}

// Clients forget the versions of all roles with the keys of those who told them.
function warnOfGoingBack({ committed, layout, observer }: Draft, roles: ReadonlyMap<string, unknown>): void {
  if (committed.stale) return
  for (const role of roles.keys())
    if (committed.runUp.has(role))
      observer.warn(`clients that have seen the version that ${role} was run up to refuse what is older`, {
        hint: `have them forget it: gupper trust rotate online ${layout.root} --keys DIR`,
      })
}

function head<K extends 'snapshot' | 'timestamp'>(type: K, version: number, { lives, now }: Draft) {
  return { _type: type, spec_version: specVersion, version, expires: expiresAfter(lives[type], now) }
}

async function signOnline<T extends Snapshot | Timestamp>(signed: T, draft: Draft): Promise<Envelope<T>> {
  return signWith({ signed, signatures: [] }, await draft.pensOf(signed._type), draft.keyring)
}

/**
 * Writes a commit. Before timestamp.json is renamed into its place nobody knows of the new files, and after that all of
 * them are on the disk.
 * @throws GupperError `cannot-write` or `no-space` (73); the repository is as it was before, but for files nobody knows of
 */
export async function commit(layout: Layout, { files, timestamp }: Change): Promise<void> {
  await each(files, 8, ({ role, version, bytes }) => writePart(metadataPath(layout, role, version), bytes))
  const next = join(layout.state, 'timestamp.json.new')
  await writePart(next, timestamp)
  await explaining(`cannot write ${layout.timestamp}`, async () => {
    await syncDirectory(layout.metadata)
    await rename(next, layout.timestamp)
    await syncDirectory(layout.metadata)
  })
  await forget(layout, files)
}

/** Writes a file of metadata, on the disk when it returns, for everybody to read. */
export async function writePart(path: string, bytes: Buffer): Promise<void> {
  await explaining(`cannot write ${path}`, async () => {
    // What a run that was cut off left, or a link that would have us write somewhere else.
    await rm(path, { force: true })
    const file = await open(path, 'wx', 0o644)
    try {
      await file.chmod(0o644)
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
  })
}

/** How many old versions of a role are kept, for clients that are in the middle of an update. */
const kept = 16

// Root is never forgotten: clients walk from one to the next.
/** Deletes what is older than what clients that are in the middle of an update may ask for. */
export async function forget({ metadata }: Layout, files: readonly NewFile[]): Promise<void> {
  for (const { role, version } of files)
    for (const old of [version - kept, version - kept - 1])
      if (old > 0)
        // That it stays where it cannot be deleted is no reason to fail behind a commit.
        await rm(join(metadata, metadataName(role, old)), { force: true }).catch(() => undefined)
}

/** Makes the directories of a repository, for everybody to read whatever the umask of this process is. */
export async function makeDirectories({ metadata, targets, state }: Layout): Promise<void> {
  for (const path of [metadata, targets, state]) await openDirectory(path, 0o755)
}
