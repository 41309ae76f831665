import type { BigIntStats } from 'node:fs'
import { parseFileName } from '../package/filename.ts'
import type { PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'

/** One file that is served: whole, hashed and known by name. */
export interface Entry {
  file: string
  size: number
  /** "sha256:…" of the bytes. */
  digest: string
  /** Time of last modification in ms since 1970, never later than when it was indexed (RFC 9110 §8.8.2.1). */
  modified: number
  /** What the file looked like when it was hashed, see {@link stampOf}. */
  stamp: string
  /** The record without `url` and `source`; undefined for a file that is no package (checksums, signatures). */
  record: PackageRecord | undefined
  /** What Cache-Control says, where it is not no-cache. */
  cache?: string
  /** What Content-Type says, where it is not application/octet-stream. */
  type?: string
}

/** Everything that tells two states of a file apart without reading it: "dev:ino:size:mtimeNs:ctimeNs". */
export function stampOf(stat: BigIntStats): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`
}

/**
 * Whether two stamps stand for the same bytes. The time of last change (ctime) is left out: a hard link that a backup
 * makes, or a chmod, changes it without touching the bytes.
 */
export function sameBytes(a: string, b: string): boolean {
  return a.slice(0, a.lastIndexOf(':')) === b.slice(0, b.lastIndexOf(':'))
}

/**
 * Makes the entry of a file that was hashed.
 * @param file its name in the directory
 * @param stat what it looked like while it was hashed
 * @param digest "sha256:…"
 */
export function makeEntry(file: string, stat: BigIntStats, digest: string): Entry {
  const size = Number(stat.size)
  const modified = Math.min(Number(stat.mtimeNs / 1_000_000n), Date.now())
  const parts = parseFileName(file)
  const record: PackageRecord | undefined = parts && {
    schema: 1,
    name: parts.name,
    version: parts.version,
    os: parts.os,
    arch: parts.arch,
    file,
    size,
    digest,
    published: formatTime(new Date(Math.max(0, modified))),
  }
  return { file, size, digest, modified, stamp: stampOf(stat), record }
}
