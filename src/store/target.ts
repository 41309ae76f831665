import type { BigIntStats } from 'node:fs'
import { lstat, readlink, realpath, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { GupperError, errnoOf, explain } from '../errors.ts'
import { hashFile } from '../package/digest.ts'
import type { Observer } from '../package/observer.ts'
import { readReceipt, type Receipt, type Slot } from './receipt.ts'
import { contentOf, homeOf, linksOf, type Home } from './slots.ts'

/** What stands at a target. */
export interface Standing {
  home: Home
  kind: 'missing' | 'file' | 'link' | 'directory' | 'other'
  /** What the symlink says, for a link. */
  link?: string
  /** Whether that is a symlink gupper put there, or keeps as a slot. */
  ours?: boolean
  stat?: BigIntStats
}

/** What stands at a target and what is known of it. */
export interface State extends Standing {
  receipt: Receipt
  /** The slot that stands there; undefined when nothing does, or something that gupper did not put there. */
  current: Slot | undefined
}

/** What the steps that choose need to know of a target. */
export interface TargetDescription {
  /** Absolute; where a symlink of somebody else's leads to a program, the program. */
  path: string
  exists: boolean
  name?: string
  version?: string
  digest?: string
  /** Digests of builds that were taken back or failed their check. */
  rejected: ReadonlySet<string>
}

/**
 * Says what stands at a path: by its receipt when it is one of the slots, which takes a few system calls, else by
 * asking it for its `--version`.
 * @param path the program, or the symlink to a tree
 * @param options `env` for a program that is asked
 * @throws GupperError `usage` (64) when it is a directory; `cannot-read` (69)
 */
export async function describeTarget(
  path: string,
  options: {
    env: Readonly<Record<string, string | undefined>>
    observer?: Observer | undefined
    signal?: AbortSignal | undefined
  },
): Promise<TargetDescription> {
  const { home, kind, receipt, current } = await readState(path)
  const rejected = new Set(receipt.rejected.map(({ digest }) => digest))
  const target = { path: home.target, exists: kind !== 'missing', rejected }
  if (current !== undefined) {
    const { version, digest } = current
    // A program that was here before gupper came has no name, but what replaced it tells which package this is.
    const name = current.name ?? receipt.slots.find((slot) => slot.name !== undefined)?.name
    return {
      ...target,
      ...(name !== undefined && { name }),
      version,
      ...(digest !== undefined && { digest }),
    }
  }
  if (kind === 'directory')
    throw new GupperError('usage', `${path} is a directory`, {
      hint: 'name the program in it, as in DIR/NAME',
    })
  const version = kind === 'file' ? await ask(home.target, options) : undefined
  return { ...target, ...(version !== undefined && { version }) }
}

async function ask(path: string, options: Parameters<typeof describeTarget>[1]): Promise<string | undefined> {
  const { askVersion } = await import('./probe.ts')
  const { env, observer, signal } = options
  return askVersion(path, { env, signal, ...(observer && { observer }) })
}

/**
 * Reads what stands at a target, and which of its slots that is. Takes no lock: what stands there is looked at first, and
 * again when it is none of the slots, since another gupper may have switched in between.
 * @param path the target
 * @param tree true when a tree shall stand there: then a symlink of somebody else's is not followed
 */
export async function readState(path: string, tree = false): Promise<State> {
  for (let tries = 1; ; tries++) {
    const standing = await locate(resolve(path), tree)
    const receipt = await readReceipt(standing.home)
    const current = await findCurrent(standing, receipt)
    const settled = current !== undefined || receipt.slots.length === 0 || standing.kind === 'missing'
    if (settled || tries === 3 || (await isStill(standing, path, tree)))
      return { ...standing, receipt, current }
  }
}

async function isStill(before: Standing, path: string, tree: boolean): Promise<boolean> {
  const after = await locate(resolve(path), tree)
  return (
    before.kind === after.kind &&
    before.link === after.link &&
    before.stat?.ino === after.stat?.ino &&
    before.stat?.mtimeNs === after.stat?.mtimeNs
  )
}

async function locate(path: string, tree: boolean, hops = 0): Promise<Standing> {
  const home = homeOf(path)
  const found = await look(path)
  if (found === undefined) return { home, kind: 'missing' }
  if (found.isFile()) return { home, kind: 'file', stat: found }
  if (found.isDirectory()) return { home, kind: 'directory', stat: found }
  if (!found.isSymbolicLink()) return { home, kind: 'other', stat: found }
  const link = await readlink(path)
  const ours = await isOurs(home, link)
  const here: Standing = { home, kind: 'link', link, ours, stat: found }
  if (ours) return here
  if (hops > 40) throw new GupperError('cannot-read', `cannot read ${path}: too many symbolic links`)
  const end = await locate(resolve(await realpath(dirname(path)), link), tree, hops + 1)
  if (end.ours === true) return end
  // A tree takes the place of the link itself; so does what a link to a directory stands for.
  return tree || end.kind === 'directory' || end.kind === 'link' ? here : end
}

async function isOurs(home: Home, link: string): Promise<boolean> {
  if (link.startsWith(linksOf(home))) return true
  return (await readReceipt(home)).slots.some((slot) => slot.link === link)
}

async function look(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw explain(error, `cannot read ${path}`, true)
  }
}

async function findCurrent(standing: Standing, receipt: Receipt): Promise<Slot | undefined> {
  const { home, kind, link, stat: found } = standing
  if (kind === 'link') return receipt.slots.findLast((slot) => slot.link === link)
  if (kind !== 'file' || found === undefined) return undefined
  const alike = receipt.slots.filter(
    (slot) => slot.kind === 'file' && slot.content?.size === Number(found.size),
  )
  for (const slot of alike) if (await isSameFile(home, slot, found)) return slot
  if (alike.length === 0) return undefined
  // Copied over or restored from a backup: only the bytes can tell.
  const digest = await hashFile(home.target).then(
    (hashed) => hashed.digest,
    () => undefined,
  )
  return alike.findLast((slot) => slot.content?.digest === digest)
}

/** Whether a file is a slot's own and has not been written to since: the same inode, size and mtime. */
async function isSameFile(home: Home, slot: Slot, found: BigIntStats): Promise<boolean> {
  if (slot.content?.mtime !== String(found.mtimeNs)) return false
  try {
    const kept = await stat(contentOf(home, slot), { bigint: true })
    return kept.ino === found.ino && kept.dev === found.dev
  } catch {
    return false
  }
}
