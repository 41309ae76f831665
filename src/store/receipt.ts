import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explain } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { parseVersion } from '../package/version.ts'
import type { PackageRecord } from '../package/record.ts'
import type { Home } from './slots.ts'
import { writeDurably } from './durable.ts'
import { keepReserve } from './reserve.ts'

/** One version that is kept beside a target. */
export interface Slot {
  /** Its directory under `slots/`; for a link only a name. */
  slot: string
  /** A program; a directory that the target links to; or a symlink of somebody else's that stood at the target. */
  kind: 'file' | 'tree' | 'link'
  version: string
  /** Name and digest of the package; a program that was there before gupper came has no name, a link no digest. */
  name?: string
  digest?: string
  /** The member that was picked out of an archive. */
  pick?: string
  /** What is on disk: a program's bytes, with size in bytes and mtime in ns, or a tree's manifest. */
  content?: { digest: string; size: number; mtime: string }
  /** What the symlink at the target says while a link stands there. */
  link?: string
  /** When it last went live; missing when it never did. */
  activated?: string
  /** What was known of the package, without what is true on this machine only. */
  record?: PackageRecord
}

/** A build that is not installed again by itself. */
export interface Rejection {
  digest: string
  version: string
  reason: 'check-failed' | 'rolled-back'
  at: string
}

/** What gupper knows of a target beside what stands there. The slots are in the order they went live, newest last. */
export interface Receipt {
  schema: 1
  slots: Slot[]
  rejected: Rejection[]
  /** A switch that was begun and not yet finished, from one slot (if any) to another. */
  pending?: { step: 'install' | 'rollback'; from?: string; to: string }
}

const maxRejected = 256
// Bytes: the receipt with all its rejections and two versions of it at once.
const reserved = 128 * 1024

/**
 * Reads what is known of a target.
 * @returns an empty receipt when there is none
 * @throws GupperError `cannot-read` (69); `damaged` (65) when it is not one, since taking it for none would delete all kept
 * versions (nothing of ours writes half a file); `config` (78) when a newer gupper wrote it
 */
export async function readReceipt(home: Home): Promise<Receipt> {
  let text: string
  try {
    text = await readFile(home.receipt, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return emptyReceipt()
    throw explain(error, `cannot read ${home.receipt}`, true)
  }
  const receipt = parseReceipt(text, home.receipt)
  if (receipt !== undefined) return receipt
  throw new GupperError('damaged', `${home.receipt} is not what gupper wrote`, {
    hint: `restore it from a backup, or move it away: then what stands at ${home.target} stays, but what came before it is forgotten`,
  })
}

function emptyReceipt(): Receipt {
  return { schema: 1, slots: [], rejected: [] }
}

function parseReceipt(text: string, path: string): Receipt | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { schema, slots, rejected } = value as Partial<Record<keyof Receipt, unknown>>
  if (typeof schema === 'number' && schema > 1)
    throw new GupperError('config', `${path} was written by a newer gupper`, { hint: 'update gupper' })
  if (schema !== 1 || !Array.isArray(slots) || !Array.isArray(rejected)) return undefined
  const whole =
    slots.every(isSlot) && rejected.every((entry: Partial<Rejection>) => typeof entry.digest === 'string')
  return whole ? (value as Receipt) : undefined
}

// Somebody may have edited it: its names become paths, and its versions are compared.
function isSlot(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { slot, kind, version } = value as Partial<Record<keyof Slot, unknown>>
  const named = typeof slot === 'string' && isSafeName(slot)
  const known = kind === 'file' || kind === 'tree' || kind === 'link'
  return named && known && typeof version === 'string' && parseVersion(version) === version
}

/**
 * Writes what is known of a target, whole or not at all, and on the disk when it returns. Works once on a full disk too,
 * since a bad version that has filled it must be taken back all the same: room for that is kept aside.
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writeReceipt(home: Home, receipt: Receipt): Promise<void> {
  const text = `${JSON.stringify(receipt, undefined, 1)}\n`
  const temporary = join(home.temporary, 'receipt')
  try {
    await writeDurably(home.receipt, text, temporary)
  } catch (error) {
    if (!(error instanceof GupperError) || error.code !== 'no-space') throw error
    await rm(home.reserve, { force: true })
    await writeDurably(home.receipt, text, temporary)
    return
  }
  await keepReserve(home.reserve, reserved)
}

/** Remembers a build as bad; the oldest are forgotten beyond 256. */
export function reject(
  receipt: Receipt,
  slot: Pick<Slot, 'digest' | 'version'>,
  reason: Rejection['reason'],
): void {
  if (slot.digest === undefined) return
  forgive(receipt, slot.digest)
  receipt.rejected.push({ digest: slot.digest, version: slot.version, reason, at: new Date().toISOString() })
  receipt.rejected.splice(0, receipt.rejected.length - maxRejected)
}

/** Forgets that a build was bad. */
export function forgive(receipt: Receipt, digest: string | undefined): void {
  receipt.rejected = receipt.rejected.filter((rejection) => rejection.digest !== digest)
}

/** Whether a build was taken back or failed its check. */
export function isRejected(receipt: Receipt, digest: string | undefined): boolean {
  return digest !== undefined && receipt.rejected.some((rejection) => rejection.digest === digest)
}

/** Notes that a slot went live: it becomes the newest, and no switch is pending any more. */
export function activate(receipt: Receipt, slot: Slot): void {
  receipt.slots = receipt.slots.filter((other) => other.slot !== slot.slot)
  receipt.slots.push({ ...slot, activated: new Date().toISOString() })
  delete receipt.pending
}

/** The slot to go back to from the current one: the newest that was live before it and was not taken back. */
export function findPrevious(receipt: Receipt, current: Slot | undefined): Slot | undefined {
  return receipt.slots.findLast(
    (slot) =>
      slot.activated !== undefined && slot.slot !== current?.slot && !isRejected(receipt, slot.digest),
  )
}
