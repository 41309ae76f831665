// The JSON of TUF as far as the simulator writes it.
import type { PublicKey } from './keys.ts'

export interface Signed {
  _type: string
  spec_version: string
  version: number
  expires: string
  [more: string]: unknown
}

export interface Role {
  keyids: string[]
  threshold: number
  [more: string]: unknown
}

export const topRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const
export type TopRole = (typeof topRoles)[number]

export interface Root extends Signed {
  consistent_snapshot: boolean
  keys: Record<string, PublicKey>
  roles: Record<TopRole, Role>
}

export interface Meta {
  version: number
  length?: number
  hashes?: Record<string, string>
}

/** Timestamp and snapshot alike. */
export interface Listing extends Signed {
  meta: Record<string, Meta>
}

export interface Target {
  length: number
  hashes: Record<string, string>
  custom?: Record<string, unknown>
}

export interface Delegation extends Role {
  name: string
  terminating: boolean
  paths?: string[]
  path_hash_prefixes?: string[]
}

export interface Delegations {
  keys: Record<string, PublicKey>
  roles?: Delegation[]
  succinct_roles?: Role & { bit_length: number; name_prefix: string }
}

export interface Targets extends Signed {
  targets: Record<string, Target>
  delegations?: Delegations
}

export interface Envelope {
  signatures: { keyid: string; sig: string }[]
  signed: Signed
}

/** A time so many days from now, negative for the past, as TUF writes it. */
export function inDays(days: number, now = Date.now()): string {
  return new Date(now + days * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z')
}

const common = (type: string): Signed => ({
  _type: type,
  spec_version: '1.0.34',
  version: 0,
  expires: inDays(30),
})

/** Root metadata that names no key yet. */
export function emptyRoot(): Root {
  const role = (): Role => ({ keyids: [], threshold: 1 })
  const roles = { root: role(), timestamp: role(), snapshot: role(), targets: role() }
  return { ...common('root'), consistent_snapshot: true, keys: {}, roles }
}

/** Timestamp or snapshot metadata that lists nothing yet. */
export function emptyListing(type: 'timestamp' | 'snapshot'): Listing {
  return { ...common(type), meta: {} }
}

/** Targets metadata, of whichever role, that vouches for nothing yet. */
export function emptyTargets(expires = inDays(30)): Targets {
  return { ...common('targets'), expires, targets: {} }
}
