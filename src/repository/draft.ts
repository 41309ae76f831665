import { GupperError } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import { delegatedKeys, delegatedNames, spokesmenOf } from '../trust/tuf/delegation.ts'
import { topRoles, type Envelope, type Root, type Target, type Targets } from '../trust/tuf/model.ts'
import { metaOf, readTargets, type Committed } from './committed.ts'
import { specVersion } from './envelope.ts'
import type { Keyring } from './keys/keyring.ts'
import type { Layout } from './layout.ts'
import { expiresAfter, lifeOf, type Lives } from './lives.ts'
import { isSeen, saysNothingNew, unseen } from './pending/seen.ts'
import { unite, type Authority } from './sign.ts'

/** What a draft is made of. */
export interface DraftParts {
  layout: Layout
  committed: Committed
  pending: ReadonlyMap<string, Envelope<Root> | Envelope<Targets>>
  keyring: Keyring
  lives: Lives
  now: Date
  observer: Observer
  /** The root that is being replaced: its keys sign too, for clients that have not seen the new one yet. */
  replaced?: Root | undefined
}

/** A target, and the role that vouches for it. */
export interface Standing {
  role: string
  target: Target
}

/**
 * The next state of a repository in the making. Roles are read when they are asked for, and only those; what waits for
 * signatures counts as the newest of its role, so that changes add up. See {@link conclude} for its end.
 */
export class Draft {
  readonly layout: Layout
  readonly committed: Committed
  readonly keyring: Keyring
  readonly lives: Lives
  readonly now: Date
  readonly observer: Observer
  readonly replaced: Root | undefined
  /** What waits for signatures, without what is committed by now. */
  readonly pending: ReadonlyMap<string, Envelope<Root> | Envelope<Targets>>
  readonly #read = new Map<string, Promise<Envelope<Targets> | undefined>>()
  readonly #edited = new Map<string, Targets>()

  constructor({ pending, ...parts }: DraftParts) {
    this.layout = parts.layout
    this.committed = parts.committed
    this.keyring = parts.keyring
    this.lives = parts.lives
    this.now = parts.now
    this.observer = parts.observer
    this.replaced = parts.replaced
    this.pending = new Map([...pending].filter(([role, { signed }]) => signed.version > this.versionOf(role)))
  }

  /** The same with other parts; what was edited stays behind. */
  with(parts: Partial<DraftParts>): Draft {
    const { layout, committed, pending, keyring, lives, now, observer, replaced } = this
    return new Draft({ layout, committed, pending, keyring, lives, now, observer, replaced, ...parts })
  }

  /** Whether a role speaks for targets, as things stand in this draft. */
  async knows(role: string): Promise<boolean> {
    return (await this.roles()).includes(role)
  }

  /** The roles that were changed, as they are to be. */
  get edited(): ReadonlyMap<string, Targets> {
    return this.#edited
  }

  /** The committed version of a role, or the one that it goes on from where that was run up; 0 where it has none. */
  versionOf(role: string): number {
    const { root, timestamp, snapshot, runUp } = this.committed
    const anew = runUp.get(role)
    if (anew !== undefined) return anew
    if (role === 'root') return root.signed.version
    if (role === 'timestamp') return timestamp.signed.version
    return role === 'snapshot' ? snapshot.signed.version : (metaOf(snapshot.signed, role)?.version ?? 0)
  }

  /**
   * What a role says now: edited, else waiting for signatures, else committed.
   * @returns undefined for a role that has said nothing yet
   */
  async read(role: string): Promise<Targets | undefined> {
    return this.#edited.get(role) ?? this.waiting(role)?.signed ?? (await this.readCommitted(role))?.signed
  }

  /** What waits for signatures of a role that speaks for targets. */
  waiting(role: string): Envelope<Targets> | undefined {
    return role === 'root' ? undefined : (this.pending.get(role) as Envelope<Targets> | undefined)
  }

  /** The committed metadata of a role, held against the keys of the committed delegation. */
  readCommitted(role: string): Promise<Envelope<Targets> | undefined> {
    const reading = this.#read.get(role) ?? this.#readCommitted(role)
    this.#read.set(role, reading)
    return reading
  }

  async #readCommitted(role: string): Promise<Envelope<Targets> | undefined> {
    if (metaOf(this.committed.snapshot.signed, role) === undefined) return undefined
    const top = role === 'targets' ? undefined : await this.readCommitted('targets')
    // What was taken back says nothing any more, though the snapshot must name it for ever.
    if (role !== 'targets' && (!top?.signed.delegations || !delegatedKeys(top.signed.delegations, role)))
      return undefined
    const before = role === 'targets' ? this.committed.previous?.signed : undefined
    return readTargets(this.layout, this.committed, role, [
      this.authorityIn(top?.signed, role),
      ...(before ? [{ role: before.roles.targets, keys: before.keys }] : []),
    ])
  }

  /** Whether a role can be edited with the keys at hand, without signing along what nobody has read; see {@link isSeen}. */
  async isEditable(role: string): Promise<boolean> {
    const waiting = this.#edited.has(role) ? undefined : this.waiting(role)
    if (waiting === undefined || isSeen(waiting, await this.pensOf(role), this.keyring)) return true
    // As a team's first word, which says nothing yet.
    return saysNothingNew(waiting.signed, (await this.readCommitted(role))?.signed)
  }

  /**
   * What a role says, to be changed in place; it gets the next version and a new life.
   * @throws GupperError `conflict` (65) where something waits in it that its signers have not read
   */
  async edit(role: string): Promise<Targets> {
    const open = this.#edited.get(role)
    if (open !== undefined) return open
    const waiting = this.waiting(role)
    if (waiting && !(await this.isEditable(role))) throw unseen(this.layout, role, waiting)
    const found = await this.read(role)
    const next: Targets = {
      _type: 'targets',
      spec_version: specVersion,
      ...structuredClone(found),
      version: this.versionOf(role) + 1,
      expires: expiresAfter(lifeOf(this.lives, role), this.now),
      targets: structuredClone(found?.targets ?? {}),
    }
    this.#edited.set(role, next)
    return next
  }

  /** Who may sign a role, as things stand in this draft. */
  async authorityOf(role: string): Promise<Authority> {
    return this.authorityIn(role === 'targets' ? undefined : await this.read('targets'), role)
  }

  /**
   * Who may sign a role.
   * @param top the targets role that delegates to it, where it is not one of root's own
   * @throws GupperError `untrusted` (77) where nothing is delegated to it
   */
  authorityIn(top: Targets | undefined, role: string): Authority {
    const { keys, roles } = this.committed.root.signed
    if (role === 'root' || role === 'targets' || role === 'snapshot' || role === 'timestamp')
      return { role: roles[role], keys }
    const delegated = top?.delegations && delegatedKeys(top.delegations, role)
    if (delegated === undefined || top?.delegations === undefined)
      throw new GupperError('untrusted', `nothing is delegated to the role ${role}`)
    return { role: delegated, keys: top.delegations.keys }
  }

  /** Who puts a signature under a role: see {@link DraftParts.replaced}. */
  async pensOf(role: string): Promise<Authority> {
    const authority = await this.authorityOf(role)
    const name = topRoles.find((top) => top === role)
    if (this.replaced === undefined || name === undefined) return authority
    return unite(authority, { role: this.replaced.roles[name], keys: this.replaced.keys })
  }

  /** The roles that may vouch for a file, the most trusted first. */
  async rolesFor(file: string): Promise<string[]> {
    return rolesFor(await this.read('targets'), file)
  }

  /** Every role that speaks for targets, the most trusted first. */
  async roles(): Promise<string[]> {
    const top = await this.read('targets')
    return ['targets', ...(top?.delegations ? delegatedNames(top.delegations) : [])]
  }

  /** Looks a file up, as things stand in this draft. */
  find(file: string): Promise<Standing | undefined> {
    return find(file, (role) => this.read(role))
  }

  /** Looks up what the world is told of a file. */
  findCommitted(file: string): Promise<Standing | undefined> {
    return this.findWith(file, new Map())
  }

  /** Looks up what the world is told of a file once some roles are committed. */
  findWith(file: string, roles: ReadonlyMap<string, Envelope<Targets>>): Promise<Standing | undefined> {
    return find(file, async (role) => (roles.get(role) ?? (await this.readCommitted(role)))?.signed)
  }
}

function rolesFor(top: Targets | undefined, file: string): string[] {
  const spokesmen = top?.delegations ? spokesmenOf(top.delegations, file) : []
  const end = spokesmen.findIndex(({ terminating }) => terminating)
  const heard = end < 0 ? spokesmen : spokesmen.slice(0, end + 1)
  return ['targets', ...heard.map(({ name }) => name)]
}

async function find(
  file: string,
  read: (role: string) => Promise<Targets | undefined>,
): Promise<Standing | undefined> {
  for (const role of rolesFor(await read('targets'), file)) {
    const targets = (await read(role))?.targets
    const target = targets && Object.hasOwn(targets, file) ? targets[file] : undefined
    if (target !== undefined) return { role, target }
  }
  return undefined
}
