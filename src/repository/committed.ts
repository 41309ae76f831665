import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explain } from '../errors.ts'
import { readRegular } from '../store/read-regular.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import type { Envelope, Kinds, Meta, Root, Snapshot, Targets, Timestamp } from '../trust/tuf/model.ts'
import { demandThreshold } from '../trust/tuf/threshold.ts'
import { metadataName, metadataPath, type Layout } from './layout.ts'
import { lackOf, type Authority } from './sign.ts'
import { findRunUp } from './versions.ts'

/** What the repository says to the world: everything follows from timestamp.json. */
export interface Committed {
  root: Envelope<Root>
  /** The root before it. A change of keys that was cut off may have left files that only its keys have signed. */
  previous?: Envelope<Root>
  /** Whether timestamp or snapshot are such files. */
  stale: boolean
  timestamp: Envelope<Timestamp>
  snapshot: Envelope<Snapshot>
  /** Roles whose versions were run up, and where each goes on: see {@link findRunUp}. */
  runUp: ReadonlyMap<string, number>
}

const restore = { hint: 'restore it from a backup or from a mirror of the repository' }

/** Whether a directory is a repository with metadata, and not just a directory of packages. */
export async function isSigned({ metadata }: Layout): Promise<boolean> {
  return exists(metadata)
}

/**
 * Reads the top of a repository, and refuses what its own keys have not signed: nobody shall lend their signature to
 * what somebody else wrote into the files.
 * @throws GupperError `config` (78) where there is no repository; `untrusted` (77) where its files are damaged
 */
export async function readCommitted(layout: Layout): Promise<Committed> {
  const root = await readRoot(layout)
  const { version } = root.signed
  const previous = version > 1 ? await readRootVersion(layout, version - 1) : undefined
  const authorities = (role: 'timestamp' | 'snapshot'): Authority[] =>
    [root, ...(previous ? [previous] : [])].map(({ signed }) => ({
      role: signed.roles[role],
      keys: signed.keys,
    }))
  const bytes = await readPart(layout.timestamp, 'timestamp.json')
  const timestamp = readSigned('timestamp', bytes, 'timestamp.json', authorities('timestamp'))
  const meta = timestamp.signed.meta['snapshot.json']
  const snapshot = await readNamed(layout, 'snapshot', 'snapshot', meta, authorities('snapshot'))
  const stale = [timestamp, snapshot].some(
    (envelope) =>
      lackOf(envelope, { role: root.signed.roles[envelope.signed._type], keys: root.signed.keys }) > 0,
  )
  const runUp = await findRunUp(layout, timestamp.signed, snapshot.signed)
  return { root, timestamp, snapshot, stale, runUp, ...(previous && { previous }) }
}

/**
 * Reads the newest root, of those that follow each other without a gap from the first.
 * @throws GupperError `config` (78) where there is none; `untrusted` (77) when it is damaged or its own keys did not sign
 */
export async function readRoot(layout: Layout): Promise<Envelope<Root>> {
  let version = 0
  while (await exists(metadataPath(layout, 'root', version + 1))) version++
  if (version === 0 && (await exists(join(layout.pending, metadataName('root', 1)))))
    throw new GupperError('config', `the first root of ${layout.root} still lacks signatures`, {
      hint: `have the holders of the other root keys sign: gupper trust sign ${layout.root} --keys DIR`,
    })
  if (version === 0)
    throw new GupperError('config', `${layout.root} is no signed repository: it has no root metadata`, {
      hint: `make it one: gupper trust init ${layout.root} --keys DIR`,
    })
  return readRootVersion(layout, version)
}

/** Reads one version of root, which its own keys must have signed. @throws GupperError `untrusted` (77) */
export async function readRootVersion(layout: Layout, version: number): Promise<Envelope<Root>> {
  const name = metadataName('root', version)
  const root = parseMetadata('root', await readPart(metadataPath(layout, 'root', version), name), name)
  demandVersion(root.signed.version, version, name)
  demandThreshold(root.signed.roles.root, root.signed.keys, root, name)
  return root
}

/**
 * Reads the committed version of a role that speaks for targets.
 * @param authorities who may have signed it: one of them must
 * @returns undefined where the snapshot knows no such role
 * @throws GupperError `untrusted` (77) where the file is missing, damaged or not signed by those who may
 */
export async function readTargets(
  layout: Layout,
  { snapshot }: Committed,
  role: string,
  authorities: readonly Authority[],
): Promise<Envelope<Targets> | undefined> {
  const meta = metaOf(snapshot.signed, role)
  return meta && readNamed(layout, 'targets', role, meta, authorities)
}

/** What a snapshot says of a role. */
export function metaOf({ meta }: Snapshot, role: string): Meta | undefined {
  return Object.hasOwn(meta, `${role}.json`) ? meta[`${role}.json`] : undefined
}

async function readNamed<K extends keyof Kinds>(
  layout: Layout,
  kind: K,
  role: string,
  { version, length, hashes }: Meta,
  authorities: readonly Authority[],
): Promise<Envelope<Kinds[K]>> {
  const name = metadataName(role, version)
  const bytes = await readPart(metadataPath(layout, role, version), name)
  const wanted = hashes?.sha256
  const hash = createHash('sha256').update(bytes).digest('hex')
  if ((length !== undefined && bytes.length !== length) || (wanted !== undefined && wanted !== hash))
    throw new GupperError('untrusted', `${name} is not the file that was published under this name`, restore)
  const envelope = readSigned(kind, bytes, name, authorities)
  demandVersion(envelope.signed.version, version, name)
  return envelope
}

function readSigned<K extends keyof Kinds>(
  kind: K,
  bytes: Buffer,
  name: string,
  authorities: readonly Authority[],
): Envelope<Kinds[K]> {
  const envelope = parseMetadata(kind, bytes, name)
  const [first, ...others] = authorities
  if (first !== undefined && !others.some((authority) => lackOf(envelope, authority) === 0))
    demandThreshold(first.role, first.keys, envelope, name)
  return envelope
}

function demandVersion(found: number, wanted: number, name: string): void {
  if (found !== wanted)
    throw new GupperError('untrusted', `${name} says that it is version ${found}`, restore)
}

async function readPart(path: string, name: string): Promise<Buffer> {
  try {
    return await readRegular(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw explain(error, `cannot read ${path}`, true)
    const cut = name === 'timestamp.json'
    throw new GupperError('untrusted', `the repository is not whole: ${path} is missing`, {
      cause: error,
      hint: cut ? 'if gupper trust init was cut off, run it again; otherwise restore the file' : restore.hint,
    })
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false
    throw explain(error, `cannot read ${path}`, true)
  }
}
