import { GupperError } from '../../errors.ts'
import { silent, type Observer } from '../../package/observer.ts'
import { metadataLimits, type MetadataLimits } from './limits.ts'
import { withRoot, type Marks } from './marks.ts'
import { parseMetadata } from './metadata.ts'
import type { Envelope, Root, Snapshot, Targets, Timestamp } from './model.ts'
import { demandThreshold } from './threshold.ts'

/** Where a repository's metadata is asked for. */
export interface Remote {
  /** A file of its metadata, "3.root.json"; undefined where there is none. */
  readMetadata(name: string, maxBytes: number): Promise<Uint8Array | undefined>
}

/** What a client goes out from, and what it may do. */
export interface RefreshOptions {
  remote: Remote
  /** What was trusted before, as it was served; undefined where there is nothing. Whatever it gives is proven again. */
  known: (role: string) => Promise<Uint8Array | undefined>
  /** The root that was given by hand, for when the known one is lost. */
  pinned?: Uint8Array | undefined
  marks: Marks
  /** The time against which expiry is held, fixed for the whole refresh (section 5.1). */
  now: Date
  /**
   * Ask for the timestamp first, and for nothing more when it is the known one. Whoever could keep a newer root from us
   * this way could do the same by answering 404.
   */
  quick?: boolean
  limits?: Partial<MetadataLimits>
  observer?: Observer | undefined
}

/** Metadata that is proven, and the bytes that are new in it. */
export interface Trusted {
  readonly options: RefreshOptions
  readonly limits: MetadataLimits
  root: Envelope<Root>
  timestamp: Envelope<Timestamp> | undefined
  snapshot: Envelope<Snapshot> | undefined
  readonly roles: Map<string, Envelope<Targets>>
  marks: Marks
  /** What is to be kept: bytes by role. */
  readonly fresh: Map<string, Uint8Array>
  /** Known metadata that must no longer be used. */
  readonly stale: Set<string>
  /** Bytes of all roles that were read. */
  size: number
  /** What was spent of the limit of the same name. */
  again: number
}

/**
 * Starts from the root that is known, or else the one that was given by hand (section 5.2).
 * @throws GupperError `config` (78) where neither is one
 */
export async function openTrusted(options: RefreshOptions): Promise<Trusted> {
  const { root, bytes } = await findRoot(options)
  return {
    options,
    limits: { ...metadataLimits, ...options.limits },
    root,
    timestamp: undefined,
    snapshot: undefined,
    roles: new Map(),
    marks: bytes === undefined ? options.marks : withRoot(options.marks, bytes),
    fresh: new Map(bytes === undefined ? [] : [['root', bytes]]),
    stale: new Set(),
    size: 0,
    again: 0,
  }
}

/** A root, and its bytes where they are not kept yet. */
interface FoundRoot {
  root: Envelope<Root>
  bytes?: Uint8Array
}

async function findRoot({ known, pinned, marks, observer = silent }: RefreshOptions): Promise<FoundRoot> {
  const bytes = await known('root')
  const wanted = pinned === undefined ? 0 : marks.root
  try {
    if (bytes !== undefined) {
      const root = selfSigned(bytes, 'the trusted root.json')
      if (root.signed.version >= wanted) return { root }
      throw new GupperError('rolled-back', `the trusted root.json is older than version ${wanted}`)
    }
    if (wanted > 0) throw new GupperError('rolled-back', 'the trusted root.json is gone')
  } catch (error) {
    if (pinned === undefined || !(error instanceof GupperError)) throw error
    observer.warn(`${error.message}; starting from the root that was given`)
  }
  if (pinned === undefined) throw new GupperError('config', 'there is no trusted root.json')
  return { root: selfSigned(pinned, 'the root that was given'), bytes: pinned }
}

/** A root that stands for itself (section 5.3.4). */
export function selfSigned(bytes: Uint8Array, what: string): Envelope<Root> {
  const root = parseMetadata('root', bytes, what)
  demandThreshold(root.signed.roles.root, root.signed.keys, root, what)
  return root
}
