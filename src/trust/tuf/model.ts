// The JSON of The Update Framework, as its specification (1.0.34, section 4) writes it; unknown fields are kept.

/** The roles that every repository has. */
export const topRoles = ['root', 'timestamp', 'snapshot', 'targets'] as const
export type TopRole = (typeof topRoles)[number]

export interface Signature {
  keyid: string
  /** Hexadecimal. */
  sig: string
  [more: string]: unknown
}

/** What all four kinds of metadata have in common. */
export interface Signed {
  _type: string
  spec_version: string
  version: number
  /** "2030-01-01T00:00:00Z" */
  expires: string
  [more: string]: unknown
}

/** A file of metadata: what is said, and who signed it. */
export interface Envelope<T extends Signed = Signed> {
  signed: T
  signatures: Signature[]
  [more: string]: unknown
}

export interface PublicKey {
  keytype: string
  scheme: string
  /** PEM, or hexadecimal for ed25519. */
  keyval: { public: string; [more: string]: unknown }
  [more: string]: unknown
}

export type Keys = Record<string, PublicKey>

/** Who may sign a role, and how many of them must. */
export interface RoleKeys {
  keyids: string[]
  threshold: number
  [more: string]: unknown
}

export interface Root extends Signed {
  _type: 'root'
  consistent_snapshot?: boolean
  keys: Keys
  roles: Record<TopRole, RoleKeys>
}

/** Which version of another file is meant; length in bytes, hashes in hexadecimal by algorithm. */
export interface Meta {
  version: number
  length?: number
  hashes?: Record<string, string>
  [more: string]: unknown
}

export interface Timestamp extends Signed {
  _type: 'timestamp'
  meta: { 'snapshot.json': Meta; [more: string]: Meta }
}

export interface Snapshot extends Signed {
  _type: 'snapshot'
  meta: Record<string, Meta>
}

/** A file that is vouched for. */
export interface Target {
  /** Bytes. */
  length: number
  hashes: Record<string, string>
  custom?: Record<string, unknown>
  [more: string]: unknown
}

export interface DelegatedRole extends RoleKeys {
  name: string
  terminating: boolean
  paths?: string[]
  path_hash_prefixes?: string[]
}

/** Hash bins, written in short (TAP 15): 2^bit_length roles named PREFIX-HEX. */
export interface SuccinctRoles extends RoleKeys {
  bit_length: number
  name_prefix: string
}

export interface Delegations {
  keys: Keys
  roles?: DelegatedRole[]
  succinct_roles?: SuccinctRoles
  [more: string]: unknown
}

export interface Targets extends Signed {
  _type: 'targets'
  targets: Record<string, Target>
  delegations?: Delegations
}

/** The kinds of metadata by the word in `_type`. */
export interface Kinds {
  root: Root
  timestamp: Timestamp
  snapshot: Snapshot
  targets: Targets
}
