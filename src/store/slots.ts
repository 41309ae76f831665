import { readdir, readFile, rename, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { errnoOf, explain } from '../errors.ts'
import { digestOf, hashFile } from '../package/digest.ts'
import type { Receipt, Slot } from './receipt.ts'
import { remove } from './remove.ts'
import { makeDirectory } from './durable.ts'

/** Where a target's versions are kept: DIR/.gupper/NAME/ beside DIR/NAME, so that links and renames are atomic. */
export interface Home {
  /** The target itself. */
  target: string
  root: string
  slots: string
  receipt: string
  lock: string
  /** A file for each service that runs one of the slots; see pins.ts. */
  pins: string
  /** Room for a receipt on a full disk. */
  reserve: string
  /** Everything in here is a leftover as soon as nobody holds the lock. */
  temporary: string
}

/** Names the places that belong to a target; touches nothing. */
export function homeOf(target: string): Home {
  const root = join(dirname(target), '.gupper', basename(target))
  return {
    target,
    root,
    slots: join(root, 'slots'),
    receipt: join(root, 'receipt.json'),
    lock: join(root, 'lock'),
    pins: join(root, 'pins'),
    reserve: join(root, 'reserve'),
    temporary: join(root, 'tmp'),
  }
}

/** The program of a slot, or the directory of a tree's. */
export function contentOf(home: Home, slot: Pick<Slot, 'slot' | 'kind'>): string {
  const directory = join(home.slots, slot.slot)
  return slot.kind === 'file' ? join(directory, basename(home.target)) : directory
}

/** The list of a tree's entries, beside its directory. */
export function manifestOf(home: Home, slot: string): string {
  return join(home.slots, `${slot}.manifest`)
}

/** What the symlink at a target says for a tree: relative, so that the directory can be moved. */
export function linkTo(home: Home, slot: string): string {
  return `${linksOf(home)}${slot}`
}

/** What every symlink of ours at this target begins with. */
export function linksOf(home: Home): string {
  return `.gupper/${basename(home.target)}/slots/`
}

/**
 * Finds a free name for a version's slot: VERSION-DIGEST8, and a number where two builds share that.
 * @param content the digest of what is in the slot
 */
export function nameSlot(receipt: Receipt, version: string, content: string): string {
  const plain = version.replaceAll(/^[^0-9A-Za-z]+|[^0-9A-Za-z.+-]/g, '_').slice(0, 100)
  const name = `${plain}-${content.replace('sha256:', '').slice(0, 8)}`
  for (let number = 1; ; number++) {
    const free = number === 1 ? name : `${name}-${number}`
    if (!receipt.slots.some(({ slot }) => slot === free)) return free
  }
}

/** Reads all of a slot and says whether it is what its receipt says. */
export async function isIntact(home: Home, slot: Slot): Promise<boolean> {
  try {
    if (slot.kind === 'link') return (await stat(resolve(dirname(home.target), slot.link ?? ''))).size >= 0
    if (slot.kind === 'file') {
      const { digest } = await hashFile(contentOf(home, slot))
      return digest === slot.content?.digest
    }
    const manifest = await readFile(manifestOf(home, slot.slot), 'utf8')
    if (digestOf(manifest) !== slot.content?.digest) return false
    const { findDamage } = await import('./tree.ts')
    return (await findDamage(contentOf(home, slot), manifest)) === undefined
  } catch {
    return false
  }
}

/** Deletes what a slot has on the disk: all of it is gone from there at once, however long the deleting takes. */
export async function removeSlot(home: Home, slot: string): Promise<void> {
  const going = join(home.temporary, 'removed')
  await remove(going)
  try {
    await rename(join(home.slots, slot), going)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw explain(error, `cannot delete ${join(home.slots, slot)}`)
  }
  await remove(going)
  await remove(manifestOf(home, slot))
}

/**
 * Deletes what killed runs left behind: all temporary files, and slots that no receipt names. Only under the lock.
 * @param link what the symlink at the target says, if one stands there: what it leads to is never deleted
 */
export async function sweep(home: Home, receipt: Receipt, link: string | undefined): Promise<void> {
  await makeDirectory(home.temporary)
  await makeDirectory(home.slots)
  for (const name of await readdir(home.temporary)) await remove(join(home.temporary, name))
  const known = new Set(receipt.slots.flatMap(({ slot }) => [slot, `${slot}.manifest`]))
  for (const name of await readdir(home.slots)) {
    if (known.has(name) || (link !== undefined && link === linkTo(home, name))) continue
    await remove(join(home.slots, name))
  }
}
