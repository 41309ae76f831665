import { createHash } from 'node:crypto'
import { GupperError } from '../../errors.ts'
import type { MetadataLimits } from './limits.ts'
import type { Meta, Root, Signed } from './model.ts'

/** Refuses what has run out (sections 5.3.10, 5.4.4, 5.5.6, 5.6.5). @throws GupperError `expired` (77) */
export function demandFresh({ expires }: Signed, what: string, now: Date): void {
  if (now < new Date(expires)) return
  throw new GupperError('expired', `${what} expired at ${expires}`)
}

/** Refuses a version below one that was seen before (sections 5.4.3, 5.5.5). @throws GupperError `rolled-back` (77) */
export function refuseOlder(what: string, version: number, seen: number): void {
  if (version >= seen) return
  throw new GupperError('rolled-back', `${what} has version ${version}, but ${seen} was seen before`)
}

/** The name that a role's file is asked for by (section 6.2). */
export function fileName(role: string, version: number, root: Root): string {
  const name = `${encodeURIComponent(role)}.json`
  return root.consistent_snapshot === true ? `${version}.${name}` : name
}

/**
 * How many bytes of a file are read at most. Who lists it may say more than is customary, but not without end: online
 * keys can be stolen.
 * @param usual where nothing is said
 */
export function capOf({ length }: Meta, usual: number, { all }: MetadataLimits): number {
  return Math.min(length ?? usual, all)
}

/** Holds a file against what another one says of it (sections 5.5.2, 5.6.2). @throws GupperError `untrusted` (77) */
export function checkFile(name: string, bytes: Uint8Array, { length, hashes }: Meta): void {
  if (length !== undefined && bytes.length !== length)
    throw new GupperError('untrusted', `${name} has ${bytes.length} bytes, not ${length}`)
  for (const [algorithm, hash] of Object.entries(hashes ?? {})) {
    if (hashOf(algorithm, bytes) !== hash.toLowerCase())
      throw new GupperError('untrusted', `${name} does not have the ${algorithm} that is said of it`)
  }
}

/** @returns hexadecimal; undefined for an algorithm that is not known, which proves nothing */
function hashOf(algorithm: string, bytes: Uint8Array): string | undefined {
  if (!/^sha(224|256|384|512)$/.test(algorithm)) return undefined
  return createHash(algorithm).update(bytes).digest('hex')
}
