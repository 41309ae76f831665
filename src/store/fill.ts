import { chmod, mkdir, rename, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { GupperError, explaining } from '../errors.ts'
import { digestOf, hashFile } from '../package/digest.ts'
import { formatOf, type Format } from '../package/filename.ts'
import type { PackageRecord } from '../package/record.ts'
import { copyHashed } from './copy.ts'
import { syncDirectory, syncFile, writeDurably } from './durable.ts'
import type { Receipt, Slot } from './receipt.ts'
import { remove } from './remove.ts'
import { contentOf, linkTo, manifestOf, nameSlot, type Home } from './slots.ts'

/** A record whose bytes are here. */
export type Fetched = PackageRecord & { path: string }

type Known = Omit<Slot, 'slot' | 'kind'>

/** Whether a record becomes a tree at its target: an archive out of which nothing is picked. */
export function isTree(record: PackageRecord, pick: string | undefined): boolean {
  return pick === undefined && formatOf(record.file) !== 'raw'
}

/**
 * Puts a package's content into a slot of its own, complete and on the disk when it returns. What is placed is what was
 * hashed: an archive is copied to where nobody else writes first, and unpacked from there.
 * @param home of the target; the lock is held
 * @param receipt whose slots the new one must not share a name with; it is not changed
 * @returns the slot, not yet in the receipt
 * @throws GupperError `wrong-digest`, `wrong-size`, `bad-archive` (65), `cannot-read` (69), `cannot-write`, `no-space` (73)
 */
export async function place(
  home: Home,
  record: Fetched,
  receipt: Receipt,
  { pick, signal }: { pick?: string | undefined; signal?: AbortSignal | undefined },
): Promise<Slot> {
  const format = formatOf(record.file)
  const staged = join(home.temporary, 'slot')
  return explaining(`cannot install to ${home.target}`, async () => {
    await mkdir(staged)
    if (format === 'raw') {
      if (pick !== undefined)
        throw new GupperError('usage', `${record.file} is no archive: there is nothing to pick out of it`, {
          hint: 'leave --pick away',
        })
      const digest = await copyProven(record, join(staged, basename(home.target)), 0o755, signal)
      return moveProgram(home, receipt, know(record, digest), staged)
    }
    const archive = join(home.temporary, 'package')
    const known = know(record, await copyProven(record, archive, 0o600, signal))
    if (pick === undefined) {
      await unpackCopy(record, format, archive, staged, { signal })
      return moveTree(home, receipt, known, staged)
    }
    const picked = join(home.temporary, 'picked')
    await mkdir(picked)
    const program = await unpackCopy(record, format, archive, picked, { pick, signal })
    await rename(program ?? picked, join(staged, basename(home.target)))
    return moveProgram(home, receipt, { ...known, pick }, staged)
  })
}

async function copyProven(
  record: Fetched,
  destination: string,
  mode: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { digest, size } = await copyHashed(record.path, destination, { mode, limit: record.size, signal })
  const hint = 'it changed after it was fetched: fetch it again'
  if (record.size !== undefined && size !== record.size)
    throw new GupperError('wrong-size', `${record.path} has ${size} bytes, its record says ${record.size}`, {
      hint,
    })
  if (record.digest !== undefined && digest !== record.digest)
    throw new GupperError('wrong-digest', `${record.path} is ${digest}, its record says ${record.digest}`, {
      hint,
    })
  return digest
}

async function unpackCopy(
  record: Fetched,
  format: Format,
  archive: string,
  into: string,
  options: { pick?: string; signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const { unpack } = await import('./archive/archive.ts')
  try {
    return (await unpack(archive, format, into, options)).picked
  } catch (error) {
    if (!(error instanceof GupperError)) throw error
    // Our copy has no name that people know.
    const message = error.message.replaceAll(archive, record.path)
    throw new GupperError(error.code, message, { hint: error.hint, cause: error })
  } finally {
    await remove(archive)
  }
}

/** What a record says of its slot; what is true only here and now stays out of the receipt. */
function know(record: Fetched, digest: string): Known {
  const known: Partial<Fetched> = { ...record, digest }
  delete known.path
  delete known.installed
  delete known.watched
  return { version: record.version, name: record.name, digest, record: known as PackageRecord }
}

async function moveProgram(home: Home, receipt: Receipt, known: Known, staged: string): Promise<Slot> {
  const program = join(staged, basename(home.target))
  await chmod(program, 0o755)
  await syncFile(program)
  await syncDirectory(staged)
  const content = await measure(program, known.pick === undefined ? known.digest : undefined)
  const slot: Slot = {
    slot: nameSlot(receipt, known.version, content.digest),
    kind: 'file',
    ...known,
    content,
  }
  return move(home, staged, slot)
}

async function moveTree(home: Home, receipt: Receipt, known: Known, staged: string): Promise<Slot> {
  const { listTree } = await import('./tree.ts')
  const { syncTree } = await import('./archive/archive.ts')
  await chmod(staged, 0o755)
  await syncTree(staged)
  const { manifest, size } = await listTree(staged)
  const slot = nameSlot(receipt, known.version, known.digest ?? digestOf(manifest))
  await writeDurably(manifestOf(home, slot), manifest, join(home.temporary, 'manifest'))
  const content = { digest: digestOf(manifest), size, mtime: '0' }
  return move(home, staged, { slot, kind: 'tree', ...known, content, link: linkTo(home, slot) })
}

async function move(home: Home, staged: string, slot: Slot): Promise<Slot> {
  await rename(staged, join(home.slots, slot.slot))
  await syncDirectory(home.slots)
  return slot
}

/**
 * What a receipt keeps of a program's file, so that it is known again by a look at it.
 * @param digest where it is known already
 */
export async function measure(path: string, digest?: string): Promise<NonNullable<Slot['content']>> {
  const { size, mtimeNs } = await stat(path, { bigint: true })
  return { digest: digest ?? (await hashFile(path)).digest, size: Number(size), mtime: String(mtimeNs) }
}

/** Whether a program's file is as it was measured; trees are not looked at. */
export async function isUntouched(home: Home, slot: Slot): Promise<boolean> {
  const found = await stat(contentOf(home, slot), { bigint: true }).catch(() => undefined)
  if (found === undefined) return false
  const { size, mtimeNs } = found
  return (
    slot.kind !== 'file' || (Number(size) === slot.content?.size && String(mtimeNs) === slot.content.mtime)
  )
}
