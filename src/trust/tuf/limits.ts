/** How much of a repository's metadata a client bears. Sizes in bytes. */
export interface MetadataLimits {
  root: number
  timestamp: number
  /** Where the timestamp does not say. */
  snapshot: number
  /** Each role, where the snapshot does not say. */
  targets: number
  /** All roles together, where everything is listed. */
  all: number
  /** Of roles that are proven for others who delegate to them too, times their keys. */
  again: number
  /** Roots that follow on each other in one refresh. */
  rotations: number
  /** Roles that are asked for one path. */
  delegations: number
  /** Roles of a repository, where everything is listed; each is counted for everyone who delegates to it. */
  roles: number
  /** Letters of patterns that are looked at of one that targets delegate to, and of all below it. */
  letters: number
  /** The same of all together: some seconds. */
  allLetters: number
}

/** Those of the other clients, and for listing what 100,000 packages need. */
export const metadataLimits: Readonly<MetadataLimits> = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 2_000_000,
  targets: 5_000_000,
  all: 128_000_000,
  again: 256_000_000,
  rotations: 256,
  delegations: 32,
  roles: 4096,
  letters: 50_000_000,
  allLetters: 400_000_000,
}
