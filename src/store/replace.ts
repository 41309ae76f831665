import { GupperError } from '../errors.ts'
import { adopt } from './adopt.ts'
import { isUntouched, place } from './fill.ts'
import { activate, forgive, reject, writeReceipt, type Receipt, type Slot } from './receipt.ts'
import { readPins } from './pins.ts'
import { prune } from './settle.ts'
import { contentOf, isIntact, removeSlot, type Home } from './slots.ts'
import { switchTo } from './switch.ts'
import type { State } from './target.ts'
import {
  describeChange,
  isSame,
  type Seen,
  type Upgraded,
  type UpgradeOptions,
  type Wanted,
} from './upgrade.ts'

/**
 * Puts a package in the place of what stands at a target: prove, place, check, switch, forget.
 * @param state what stands there, settled; the lock is held
 * @param seen whether the package stands there already, and the version that does
 */
export async function replace(
  state: State,
  record: Wanted,
  seen: Seen,
  options: UpgradeOptions,
): Promise<Upgraded> {
  const { home, receipt, current } = state
  const { keep = 3, again, signal, observer } = options
  if (seen.standing && current !== undefined && (again !== true || (await isIntact(home, current)))) {
    if (again === true) forgive(receipt, current.digest)
    await prune(home, receipt, current, keep)
    await writeReceipt(home, receipt)
    return { path: home.target, changed: false }
  }
  const slot = (await findKept(state, record, options)) ?? (await place(home, record, receipt, options))
  if (options.check !== undefined) await check(home, receipt, slot, { ...options, check: options.check })
  signal?.throwIfAborted()

  const previous = current ?? (await adopt(state, seen.version, slot.content?.digest))
  if (again === true) forgive(receipt, slot.digest)
  remember(receipt, previous)
  remember(receipt, slot)
  receipt.pending = { step: 'install', to: slot.slot, ...(previous && { from: previous.slot }) }
  await writeReceipt(home, receipt)
  await switchTo(home, slot)
  observer?.info(`${home.target} is now ${record.name} ${record.version}`, {
    ...(seen.version !== undefined && { previous: seen.version }),
  })
  await forget(home, receipt, slot, { keep, damaged: seen.standing ? current : undefined })
  return describeChange(state, seen)
}

/** Notes the switch and deletes what is not kept; the receipt is written last, so that a cut-off run is seen by the next. */
async function forget(
  home: Home,
  receipt: Receipt,
  slot: Slot,
  { keep, damaged }: { keep: number; damaged: Slot | undefined },
): Promise<void> {
  activate(receipt, slot)
  if (damaged !== undefined) await drop(home, receipt, damaged)
  await prune(home, receipt, slot, keep)
  await writeReceipt(home, receipt)
}

function remember(receipt: Receipt, slot: Slot | undefined): void {
  if (slot !== undefined && !receipt.slots.some((other) => other.slot === slot.slot)) receipt.slots.push(slot)
}

/** The package's slot, where it is kept and is still what it was; a damaged one is deleted, unless it stands there. */
async function findKept(
  { home, receipt, current }: State,
  record: Wanted,
  { pick }: UpgradeOptions,
): Promise<Slot | undefined> {
  const same = receipt.slots.filter((slot) => isSame(slot, record, pick) && slot.slot !== current?.slot)
  for (const slot of same) {
    if (await isIntact(home, slot)) return slot
    await drop(home, receipt, slot)
  }
  return undefined
}

/** What a service runs stays there, damaged or not. */
async function drop(home: Home, receipt: Receipt, slot: Slot): Promise<void> {
  if ((await readPins(home))(slot.slot)) return
  receipt.slots = receipt.slots.filter((other) => other.slot !== slot.slot)
  await removeSlot(home, slot.slot)
}

async function check(
  home: Home,
  receipt: Receipt,
  slot: Slot,
  options: UpgradeOptions & { check: string },
): Promise<void> {
  const { runCheck } = await import('./probe.ts')
  const { checkDeadline: deadline = 30_000, env, cwd, signal } = options
  const path = contentOf(home, slot)
  const result = await runCheck(options.check, { path, deadline, env, cwd, signal })
  const reason = result.ok ? await findChange(home, slot) : `${result.reason}${quote(result.output)}`
  if (reason === undefined) return
  reject(receipt, slot, 'check-failed')
  await drop(home, receipt, slot)
  await writeReceipt(home, receipt)
  throw new GupperError('check-failed', `the check of ${slot.name ?? ''} ${slot.version} failed: ${reason}`)
}

async function findChange(home: Home, slot: Slot): Promise<string | undefined> {
  return (await isUntouched(home, slot)) ? undefined : 'it changed the program'
}

function quote(output: string): string {
  return output === '' ? '' : `; the last it said: ${output.split('\n').slice(-5).join('\n')}`
}
