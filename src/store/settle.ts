import { lstat } from 'node:fs/promises'
import { errnoOf } from '../errors.ts'
import { activate, isRejected, writeReceipt, findPrevious, type Receipt, type Slot } from './receipt.ts'
import { readPins } from './pins.ts'
import { contentOf, isIntact, removeSlot, sweep, type Home } from './slots.ts'
import { switchTo } from './switch.ts'
import type { State } from './target.ts'

/** A switch that an earlier run had begun and that is now done. */
export interface Finished {
  step: 'install' | 'rollback'
  from: Slot | undefined
  to: Slot
}

/**
 * Brings a target into order after a run that was cut off: a switch that happened is noted, a rollback that was begun is
 * finished, anything else that was begun is deleted, and slots that somebody deleted are forgotten. Changes `state`.
 * @param state what stands there; the lock is held
 * @returns the switch that was pending and now stands, if any
 * @throws GupperError `cannot-write`, `no-space` (73)
 */
export async function settle(state: State): Promise<Finished | undefined> {
  const { home, receipt } = state
  const before = JSON.stringify(receipt)
  await forgetMissing(home, receipt)
  await sweep(home, receipt, state.link)
  const finished = await finish(state)
  delete receipt.pending
  if (JSON.stringify(receipt) !== before) await writeReceipt(home, receipt)
  return finished
}

async function forgetMissing(home: Home, receipt: Receipt): Promise<void> {
  const there: Slot[] = []
  for (const slot of receipt.slots)
    if (slot.kind === 'link' || (await exists(contentOf(home, slot)))) there.push(slot)
  receipt.slots = there
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}

async function finish(state: State): Promise<Finished | undefined> {
  const { home, receipt, current } = state
  const { pending } = receipt
  if (pending === undefined) return undefined
  const to = receipt.slots.find(({ slot }) => slot === pending.to)
  const from = receipt.slots.find(({ slot }) => slot === pending.from)
  if (to === undefined) return undefined
  if (current?.slot !== to.slot) {
    const begun = pending.step === 'rollback' && current?.slot === pending.from
    if (!begun || !(await isIntact(home, to))) return undefined
    await switchTo(home, to)
  }
  activate(receipt, to)
  state.current = receipt.slots.at(-1)
  return { step: pending.step, from, to }
}

/**
 * Forgets and deletes the slots beyond what is kept; the receipt is changed, not written.
 * @param keep how many slots, the current one included; the one a rollback would go to is kept in any case, and what a service
 * runs or may go back to
 */
export async function prune(home: Home, receipt: Receipt, current: Slot, keep: number): Promise<void> {
  const stays = new Set([current.slot, findPrevious(receipt, current)?.slot])
  const isPinned = await readPins(home)
  // What never went live goes first, then what was taken back, then the oldest.
  const rank = (slot: Slot): number =>
    slot.activated === undefined ? 0 : isRejected(receipt, slot.digest) ? 1 : 2
  const going = receipt.slots
    .filter(({ slot }) => !stays.has(slot) && !isPinned(slot))
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, Math.max(0, receipt.slots.length - keep))
  for (const slot of going) await removeSlot(home, slot.slot)
  receipt.slots = receipt.slots.filter((slot) => !going.includes(slot))
}
