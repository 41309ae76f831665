import { basename, resolve } from 'node:path'
import { GupperError } from '../errors.ts'
import { host } from '../package/platform.ts'
import type { PackageRecord } from '../package/record.ts'
import { compareVersions, parseVersion } from '../package/version.ts'
import { checkTarget, holdTarget, type HoldOptions } from './hold.ts'
import {
  activate,
  findPrevious,
  forgive,
  isRejected,
  reject,
  writeReceipt,
  type Receipt,
  type Slot,
} from './receipt.ts'
import { isIntact, type Home } from './slots.ts'
import { readState, type State } from './target.ts'

/** How to take an update back. */
export interface RollbackOptions extends HoldOptions {
  /** A kept version to go to; without it the one that stood there before. */
  version?: string | undefined
  /** For a service, what was live in it before, if anything was: gone to without `version`, else what is older than the current. */
  service?: { previous: string | undefined } | undefined
  dryRun?: boolean | undefined
  cwd: string
  /** For a program that gupper did not install, when it is asked for its version. */
  env: Readonly<Record<string, string | undefined>>
}

/** One kept version, as `rollback --list` shows it. */
export interface KeptRecord extends PackageRecord {
  current: boolean
  rejected: boolean
  activated?: string
}

/**
 * Goes back to a version that is kept beside the target, in one rename and without a network. Without `version` that is the
 * newest that was live before and was not taken back itself. The build that is left is remembered as bad, unless
 * the one gone to is newer. A rollback that was cut off is finished, not done twice.
 * @param path the target
 * @returns the record of what stands there now, with `installed`: {path, changed, previous?, rolled_back}
 * @throws GupperError `no` (1) when there is nothing to go to; `not-installed` (64); `damaged` (65) when the slot is not what
 * was put there; `cannot-write`, `no-space` (73); `locked` (75)
 */
export async function rollback(path: string, options: RollbackOptions): Promise<PackageRecord> {
  const seen = await readState(resolve(options.cwd, path))
  const tree = seen.kind === 'link'
  if (seen.receipt.slots.length === 0) throw nothingKept(seen)
  await checkTarget(seen, tree)
  if (options.dryRun === true) return describe(seen, seen.current, choose(seen, options), { dry_run: true })
  return holdTarget(seen, tree, options, async (state, finished) => {
    if (finished?.step === 'rollback' && options.version === undefined) {
      options.observer?.info(`finished the rollback of ${state.home.target} that had been cut off`)
      return describe(state, finished.from, finished.to, { rolled_back: true })
    }
    const to = choose(state, options)
    if (to.slot === state.current?.slot) return describe(state, undefined, to, {})
    if (!(await isIntact(state.home, to)))
      throw new GupperError(
        'damaged',
        `${to.version} of ${state.home.target} is no longer what was put there`,
        {
          hint: `go to another version: gupper rollback --list ${state.home.target}, or install it again from its source`,
        },
      )
    const from = await goBack(state, to, options)
    return describe(state, from, to, { rolled_back: true })
  })
}

async function goBack(state: State, to: Slot, options: RollbackOptions): Promise<Slot | undefined> {
  const { home, receipt, current } = state
  const { switchTo } = await import('./switch.ts')
  const from = current ?? (await keepForeign(state, options))
  forgive(receipt, to.digest)
  if (from !== undefined && isTakenBack(from, to, options)) reject(receipt, from, 'rolled-back')
  receipt.pending = { step: 'rollback', to: to.slot, ...(from && { from: from.slot }) }
  await writeReceipt(home, receipt)
  await switchTo(home, to)
  options.observer?.info(`${home.target} is ${to.version} again`, { ...(from && { previous: from.version }) })
  activate(receipt, to)
  await writeReceipt(home, receipt)
  return from
}

/** Whoever goes on to a newer version by its name has nothing against the one that is left. */
function isTakenBack(from: Slot, to: Slot, { version }: RollbackOptions): boolean {
  if (from.digest === to.digest) return false
  return version === undefined || compareVersions(to.version, from.version) <= 0
}

/** What was put there by hand since is kept too. */
async function keepForeign(state: State, options: RollbackOptions): Promise<Slot | undefined> {
  const { env, signal, observer } = options
  const { adopt } = await import('./adopt.ts')
  const { askVersion } = await import('./probe.ts')
  const { home, kind, receipt } = state
  const asked = { env, signal, ...(observer && { observer }) }
  const slot = await adopt(state, kind === 'file' ? await askVersion(home.target, asked) : undefined)
  if (slot !== undefined) receipt.slots.push(slot)
  return slot
}

function choose({ home, receipt, current }: State, { version: wanted, service }: RollbackOptions): Slot {
  if (wanted === undefined) {
    const previous = service ? findPreviousOf(service, receipt, current) : findPrevious(receipt, current)
    if (previous !== undefined) return previous
    throw new GupperError('no', `there is no earlier version of ${home.target} that was not taken back`, {
      hint: `gupper rollback --list ${home.target} shows what is kept`,
    })
  }
  const version = parseVersion(wanted)
  if (version === undefined) throw new GupperError('usage', `"${wanted}" is not a version`)
  const found = receipt.slots.findLast((slot) => slot.version === version)
  if (found !== undefined) return found
  const kept = receipt.slots.map((slot) => slot.version).join(', ')
  throw new GupperError('no', `${version} of ${home.target} is not kept; these are: ${kept}`)
}

/** What was live at the target was not so in the service, which may have refused it: by itself nothing newer is gone to. */
function findPreviousOf(
  { previous }: { previous: string | undefined },
  receipt: Receipt,
  current: Slot | undefined,
): Slot | undefined {
  const kept = receipt.slots.filter(
    (slot) =>
      slot.slot === previous ||
      slot.slot === current?.slot ||
      current === undefined ||
      compareVersions(slot.version, current.version) <= 0,
  )
  const known = kept.find((slot) => slot.slot === previous && slot.slot !== current?.slot)
  if (known !== undefined && !isRejected(receipt, known.digest)) return known
  return findPrevious({ ...receipt, slots: kept }, current)
}

function nothingKept({ home, kind }: State): GupperError {
  return kind === 'missing'
    ? new GupperError('not-installed', `there is nothing at ${home.target}`)
    : new GupperError('no', `${home.target} was not installed by gupper: no earlier version of it is kept`)
}

/**
 * Lists the versions that are kept for a target, in the order they went live.
 * @throws GupperError `not-installed` (64) when nothing stands there and nothing is kept
 */
export async function* listSlots(path: string, options: { cwd: string }): AsyncGenerator<KeptRecord> {
  const state = await readState(resolve(options.cwd, path))
  const { home, kind, receipt, current } = state
  if (kind === 'missing' && receipt.slots.length === 0) throw nothingKept(state)
  for (const slot of receipt.slots) {
    yield {
      ...recordOf(home, slot),
      current: slot.slot === current?.slot,
      rejected: isRejected(receipt, slot.digest),
      ...(slot.activated !== undefined && { activated: slot.activated }),
    }
  }
}

function describe(
  { home }: State,
  from: Slot | undefined,
  to: Slot,
  more: { rolled_back?: true; dry_run?: true },
): PackageRecord {
  const changed = more.rolled_back === true || more.dry_run === true
  return {
    ...recordOf(home, to),
    installed: { path: home.target, changed, ...(from && { previous: from.version }), ...more },
  }
}

/** The record of a slot; a program that came without one is described as far as it is known. */
function recordOf(home: Home, slot: Slot): PackageRecord {
  if (slot.record !== undefined) return slot.record
  const name = basename(home.target)
  const { version, digest, content, kind } = slot
  return {
    schema: 1,
    name,
    version,
    os: host.os,
    arch: host.arch,
    file: name,
    ...(digest !== undefined && { digest }),
    ...(kind === 'file' && content !== undefined && { size: content.size }),
  }
}
