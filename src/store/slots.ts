import { basename, dirname, join } from 'node:path'
import type { Slot } from './receipt.ts'

/** Where a target's versions are kept: DIR/.gupper/NAME/ beside DIR/NAME, so that links and renames are atomic. */
export interface Home {
  /** The target itself. */
  target: string
  root: string
  slots: string
  receipt: string
  lock: string
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
    temporary: join(root, 'tmp'),
  }
}

/** The program of a slot, or the directory of a tree's. */
export function contentOf(home: Home, slot: Pick<Slot, 'slot' | 'kind'>): string {
  const directory = join(home.slots, slot.slot)
  return slot.kind === 'file' ? join(directory, basename(home.target)) : directory
}

/** What the symlink at a target says for a tree: relative, so that the directory can be moved. */
export function linkTo(home: Home, slot: string): string {
  return `${linksOf(home)}${slot}`
}

/** What every symlink of ours at this target begins with. */
export function linksOf(home: Home): string {
  return `.gupper/${basename(home.target)}/slots/`
}
