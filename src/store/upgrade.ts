import { GupperError } from '../errors.ts'
import { hashFile } from '../package/digest.ts'
import { compareVersions } from '../package/version.ts'
import { checkTarget, holdTarget, type HoldOptions } from './hold.ts'
import { isTree, type Fetched } from './fill.ts'
import type { Slot } from './receipt.ts'
import { readState, type State } from './target.ts'

/** How one record is installed at one target. */
export interface UpgradeOptions extends HoldOptions {
  /** How many versions are kept, the current one included; default 3, and never fewer than a rollback needs. */
  keep?: number | undefined
  /** A shell line that must succeed on the new program before it goes live. */
  check?: string | undefined
  /** ms; default 30 000 */
  checkDeadline?: number | undefined
  /** The one member of an archive that is installed. */
  pick?: string | undefined
  allowDowngrade?: boolean | undefined
  /** Install it even if it was taken back, is older, or stands there but damaged. */
  again?: boolean | undefined
  dryRun?: boolean | undefined
  /** The caller's own flag that chooses packages by name, for hints; undefined: a step before it chooses. */
  nameFlag?: string | undefined
  /** Where and with which environment the check runs. */
  cwd: string
  env: Readonly<Record<string, string | undefined>>
}

/** What an upgrade did; in a dry run, what it would have done. */
export interface Upgraded {
  path: string
  changed: boolean
  previous?: string
}

/** A record whose bytes are here and known. */
export type Wanted = Fetched & { digest: string }

/** What is known before anything is done: whether the wanted package stands there, and which version does. */
export interface Seen {
  standing: boolean
  version: string | undefined
}

/**
 * Makes a package what stands at a target: placed, checked, then switched in one rename. When it stands there already,
 * nothing is touched and no lock is taken.
 * @param path the target, absolute
 * @throws GupperError `ambiguous`, `downgrade` (64), `rejected`, `check-failed`, `wrong-digest`, `wrong-size`,
 * `bad-archive` (65), `cannot-read` (69), `cannot-write`, `no-space` (73), `locked` (75)
 */
export async function upgrade(path: string, record: Fetched, options: UpgradeOptions): Promise<Upgraded> {
  const wanted: Wanted = { ...record, digest: record.digest ?? (await hashFile(record.path)).digest }
  const tree = isTree(record, options.pick)
  const state = await readState(path, tree)
  await checkTarget(state, tree)
  const seen = await consider(state, wanted, options)
  const same: Upgraded = { path: state.home.target, changed: false }
  if (options.dryRun === true) return seen.standing ? same : describeChange(state, seen)
  // What stands there is right, but an earlier run may have been cut off before it had cleaned up.
  const unfinished = state.receipt.pending !== undefined
  if (seen.standing && options.again !== true && !unfinished) return same
  const { replace } = await import('./replace.ts')
  const idle = seen.standing && options.again !== true
  try {
    return await holdTarget(state, tree, { ...options, ...(idle && { wait: 0 }) }, async (held) => {
      await checkTarget(held, tree)
      return replace(held, wanted, await consider(held, wanted, options), options)
    })
  } catch (error) {
    if (idle && error instanceof GupperError && error.code === 'locked') return same
    throw error
  }
}

/** What an upgrade of this state says of itself. */
export function describeChange({ home, kind }: State, { version }: Seen): Upgraded {
  const previous = kind === 'missing' ? undefined : version
  return { path: home.target, changed: true, ...(previous !== undefined && { previous }) }
}

/** Says whether a package stands there already, and refuses one that must not take the place of what does. */
async function consider(state: State, record: Wanted, options: UpgradeOptions): Promise<Seen> {
  const { home, current, receipt } = state
  const { again, allowDowngrade, pick, nameFlag } = options
  if (current?.name !== undefined && current.name !== record.name)
    throw new GupperError('ambiguous', `${home.target} is ${current.name}, not ${record.name}`, {
      hint: `choose with: ${nameFlag ?? 'gupper select --name'} ${current.name}, or install to another path`,
    })
  if (current !== undefined && isSame(current, record, pick))
    return { standing: true, version: current.version }
  const bad = receipt.rejected.find(({ digest }) => digest === record.digest)
  if (again !== true && bad !== undefined) {
    const why = bad.reason === 'check-failed' ? 'failed its check for' : 'was taken back from'
    throw new GupperError('rejected', `${record.name} ${record.version} ${why} ${home.target}`, {
      hint: 'to install this build all the same: gupper install --again',
    })
  }
  const version = current?.version ?? (await ask(state, options))
  const older = version !== undefined && compareVersions(record.version, version) < 0
  if (older && again !== true && allowDowngrade !== true)
    throw new GupperError(
      'downgrade',
      `${record.name} ${record.version} is older than ${version}, which stands at ${home.target}`,
      { hint: `to go back use: gupper rollback ${home.target}; to allow it: --allow-downgrade` },
    )
  return { standing: false, version }
}

/** Whether a slot holds what a record would put at its target. */
export function isSame(slot: Slot, record: Wanted, pick: string | undefined): boolean {
  const kind = isTree(record, pick) ? 'tree' : 'file'
  return slot.digest === record.digest && slot.pick === pick && slot.kind === kind
}

async function ask({ home, kind }: State, options: UpgradeOptions): Promise<string | undefined> {
  if (kind !== 'file') return undefined
  const { askVersion } = await import('./probe.ts')
  const { env, signal, observer } = options
  return askVersion(home.target, { env, signal, ...(observer && { observer }) })
}
