import { createHash } from 'node:crypto'
import { posix } from 'node:path'
import { canonical } from './canonical.ts'
import { makeSigner, type Signer } from './keys.ts'
import { emptyListing, emptyRoot, emptyTargets, topRoles } from './metadata.ts'
import type { Delegation, Envelope, Listing, Role, Root, Targets, TopRole } from './metadata.ts'

const isTop = (role: string): role is TopRole => topRoles.some((one) => one === role)
const digest = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('hex')

/**
 * A TUF repository that a test may lead astray. What stands in `root`, `timestamp`, `snapshot`, `targets` and `delegated`
 * is a draft; clients see it once it is published.
 */
export class Repository {
  readonly root: Root = emptyRoot()
  readonly timestamp: Listing = emptyListing('timestamp')
  readonly snapshot: Listing = emptyListing('snapshot')
  readonly targets: Targets = emptyTargets()
  readonly delegated = new Map<string, Targets>()
  /** Who signs a role when it is published; by role. */
  readonly signers = new Map<string, Signer[]>()
  /** What is served below metadata/, by its name with nothing encoded. */
  readonly files = new Map<string, Buffer>()
  /** What is served below targets/, by its name with nothing encoded. */
  readonly artifacts = new Map<string, Buffer>()
  /** What was asked for below metadata/ and targets/, in order and as it stood in the request. */
  readonly metadataRequests: string[] = []
  readonly targetRequests: string[] = []
  /** Whether timestamp and snapshot say the length and the hashes of what they list. */
  hashed = false
  readonly #latest = new Map<string, string>()

  constructor() {
    for (const role of topRoles) this.addKey(role)
    this.publish('targets', 'snapshot', 'timestamp', 'root')
  }

  /** The draft of a role. */
  draft(role: string): Root | Listing | Targets {
    return isTop(role) ? this[role] : this.targetsOf(role)
  }

  targetsOf(role: string): Targets {
    const found = role === 'targets' ? this.targets : this.delegated.get(role)
    if (!found) throw new Error(`no role ${role}`)
    return found
  }

  /** Signs the next version of some roles, in this order, and serves them; whatever lists them is drafted anew. */
  publish(...roles: string[]): void {
    for (const role of roles) {
      const draft = this.draft(role)
      draft.version += 1
      const bytes = this.sign(role)
      this.serve(role, draft.version, bytes)
      this.list(role, draft.version, bytes)
    }
  }

  /** The draft of a role with the signatures of its signers, spaced out as no canonical form is. */
  sign(role: string): Buffer {
    const signed = this.draft(role)
    const bytes = Buffer.from(canonical(signed))
    const signatures = this.signersOf(role).map((one) => ({ keyid: one.id, sig: one.sign(bytes) }))
    return Buffer.from(JSON.stringify({ signatures, signed }, null, 1))
  }

  /** Serves bytes where clients look for a version of a role. */
  serve(role: string, version: number, bytes: Buffer): void {
    const plain = role === 'timestamp' || (role !== 'root' && !this.root.consistent_snapshot)
    const name = plain ? `${role}.json` : `${version}.${role}.json`
    this.files.set(name, bytes)
    this.#latest.set(role, name)
  }

  /** What was last published of a role. */
  bytesOf(role: string): Buffer {
    const bytes = this.files.get(this.#latest.get(role) ?? '')
    if (!bytes) throw new Error(`${role} is not published`)
    return bytes
  }

  /** Changes what was last published of a role without signing it again. */
  tamper(role: string, change: (envelope: Envelope) => void): void {
    const envelope = JSON.parse(this.bytesOf(role).toString()) as Envelope
    change(envelope)
    this.files.set(this.#latest.get(role) ?? '', Buffer.from(JSON.stringify(envelope)))
  }

  /** Gives a role one more key, and its metadata one more signature from now on. */
  addKey(role: string, signer = makeSigner(), delegator = 'root'): Signer {
    const { role: found, keys } = this.delegation(role, delegator)
    found.keyids.push(signer.id)
    keys[signer.id] = signer.key
    this.signersOf(role).push(signer)
    return signer
  }

  /** Gives a top-level role other keys, as many as must sign. */
  rotateKeys(role: TopRole): void {
    this.root.roles[role].keyids = []
    this.signers.set(role, [])
    for (let i = 0; i < this.root.roles[role].threshold; i++) this.addKey(role)
  }

  signersOf(role: string): Signer[] {
    const found = this.signers.get(role) ?? []
    this.signers.set(role, found)
    return found
  }

  /** Delegates to a role, which is made if there is none of that name yet, with a key of its own. */
  delegate(
    delegator: string,
    delegation: Partial<Delegation> & { name: string },
    expires?: string,
  ): Delegation {
    const { name } = delegation
    const full: Delegation = { keyids: [], threshold: 1, terminating: false, ...delegation }
    if (full.path_hash_prefixes === undefined) full.paths ??= ['*']
    const from = this.targetsOf(delegator)
    from.delegations ??= { keys: {}, roles: [] }
    from.delegations.roles?.push(full)
    if (!this.delegated.has(name) && !isTop(name)) this.delegated.set(name, emptyTargets(expires))
    this.addKey(name, makeSigner(), delegator)
    return full
  }

  /** Delegates to hash bins, written in short, which share one key. */
  delegateToBins(bits: number, prefix: string): string[] {
    const signer = makeSigner('ed25519')
    const role = { keyids: [signer.id], threshold: 1, bit_length: bits, name_prefix: prefix }
    this.targets.delegations = { keys: { [signer.id]: signer.key }, succinct_roles: role }
    const digits = (2 ** bits - 1).toString(16).length
    const names = Array.from(
      { length: 2 ** bits },
      (_, i) => `${prefix}-${i.toString(16).padStart(digits, '0')}`,
    )
    for (const name of names) {
      this.delegated.set(name, emptyTargets())
      this.signers.set(name, [signer])
    }
    return names
  }

  /** Vouches for an artifact in the draft of a role, and serves its bytes. */
  addArtifact(role: string, path: string, bytes: Buffer | string, algorithms = ['sha256']): void {
    const data = Buffer.from(bytes)
    const hashes = Object.fromEntries(algorithms.map((name) => [name, digest(name, data)]))
    this.targetsOf(role).targets[path] = { length: data.length, hashes }
    for (const name of this.namesOf(path, Object.values(hashes))) this.artifacts.set(name, data)
  }

  /** Serves other bytes where an artifact is; whatever vouches for it stays. */
  substitute(role: string, path: string, bytes: Buffer | string): void {
    const { hashes } = this.targetsOf(role).targets[path] ?? { hashes: {} }
    for (const name of this.namesOf(path, Object.values(hashes))) this.artifacts.set(name, Buffer.from(bytes))
  }

  /** Where clients may look for an artifact: its file name bears one of its hashes where snapshots are consistent. */
  namesOf(path: string, hashes: string[]): string[] {
    if (!this.root.consistent_snapshot) return [path]
    const { dir, base } = posix.parse(path)
    return hashes.map((hash) => posix.join(dir, `${hash}.${base}`))
  }

  private delegation(role: string, delegator: string): { role: Role; keys: Root['keys'] } {
    if (delegator === 'root' && isTop(role)) return { role: this.root.roles[role], keys: this.root.keys }
    const { delegations } = this.targetsOf(delegator)
    const found = delegations?.roles?.find(({ name }) => name === role)
    if (!found || !delegations) throw new Error(`${delegator} does not delegate to ${role}`)
    return { role: found, keys: delegations.keys }
  }

  private list(role: string, version: number, bytes: Buffer): void {
    if (role === 'root' || role === 'timestamp') return
    const facts = this.hashed ? { length: bytes.length, hashes: { sha256: digest('sha256', bytes) } } : {}
    const listing = role === 'snapshot' ? this.timestamp : this.snapshot
    listing.meta[`${role}.json`] = { version, ...facts }
  }
}
