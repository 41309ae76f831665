import { join, resolve } from 'node:path'

/** Where everything of a repository is. What is below `state` is of no interest to clients. */
export interface Layout {
  root: string
  metadata: string
  timestamp: string
  targets: string
  state: string
  lock: string
  /** Bytes on their way in. */
  staging: string
  /** What the run under way is about to change. */
  journal: string
  /** Metadata that still lacks signatures. */
  pending: string
}

/** @param repository the directory, REPO */
export function layoutOf(repository: string): Layout {
  const root = resolve(repository)
  const state = join(root, '.gupper')
  const metadata = join(root, 'metadata')
  return {
    root,
    metadata,
    timestamp: join(metadata, 'timestamp.json'),
    targets: join(root, 'targets'),
    state,
    lock: join(state, 'lock'),
    staging: join(state, 'staging'),
    journal: join(state, 'journal.json'),
    pending: join(state, 'pending'),
  }
}

/** The name of a version of a role's metadata, with consistent snapshots (TUF 1.0.34, section 6). */
export function metadataName(role: string, version: number): string {
  return `${version}.${encodeURIComponent(role)}.json`
}

/** Where a version of a role's metadata is. */
export function metadataPath({ metadata }: Layout, role: string, version: number): string {
  return join(metadata, metadataName(role, version))
}

/**
 * Where the bytes of a target are.
 * @param hash SHA-256 in hexadecimal
 * @param file the target's path, which is a file name
 */
export function targetPath({ targets }: Layout, hash: string, file: string): string {
  return join(targets, `${hash}.${file}`)
}

/** Where the signature of a file by minisign is: beside it. */
export function signaturePath(path: string): string {
  return `${path}${signatureEnding}`
}

/** What the name of such a signature ends in. */
export const signatureEnding = '.minisig'

/** How long a target's name may be, in bytes: a file name, less the hash and the dot in front of it. */
export const longestTarget = 255 - 65 - signatureEnding.length
