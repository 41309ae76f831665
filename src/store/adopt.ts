import { copyFile, mkdir, rename, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { GupperError, explaining } from '../errors.ts'
import { digestOf } from '../package/digest.ts'
import { parseVersion } from '../package/version.ts'
import { syncDirectory, syncFile, writeDurably } from './durable.ts'
import { measure } from './fill.ts'
import type { Slot } from './receipt.ts'
import { contentOf, linksOf, manifestOf, nameSlot, type Home } from './slots.ts'
import { linkOrCopy } from './switch.ts'
import type { State } from './target.ts'

/**
 * Keeps what stands at a target and is none of its slots, so that it can be gone back to: the program that was there
 * before gupper came, or one that was put there by hand since. The target itself is not touched.
 * @param state what stands there; the lock is held
 * @param version what it said of itself, if it did
 * @param placed the digest of the program that is about to take its place: the same bytes are not kept twice
 * @returns its slot, not yet in the receipt; undefined when there is nothing to keep
 * @throws GupperError `cannot-read` (69), `cannot-write`, `no-space` (73)
 */
export async function adopt(
  state: State,
  version: string | undefined,
  placed?: string,
): Promise<Slot | undefined> {
  const { home, kind, link } = state
  const known = { version: version ?? '0.0.0', activated: new Date().toISOString() }
  if (kind === 'file') return adoptProgram(state, known, placed)
  if (kind !== 'link' || link === undefined) return undefined
  if (link.startsWith(linksOf(home))) return adoptTree(home, link)
  return { slot: `link-${digestOf(link).slice(7, 15)}`, kind: 'link', ...known, link }
}

async function adoptProgram(
  state: State,
  known: Pick<Slot, 'version' | 'activated'>,
  placed: string | undefined,
): Promise<Slot | undefined> {
  const { home, receipt } = state
  return explaining(`cannot keep ${home.target}`, async () => {
    const content = await measure(home.target)
    if (content.digest === placed) return undefined
    const slot: Slot = {
      slot: nameSlot(receipt, known.version, content.digest),
      kind: 'file',
      ...known,
      digest: content.digest,
      content,
    }
    const staged = join(home.temporary, 'adopted')
    await mkdir(staged)
    // A file with further names may be written to through one of them.
    const put = Number(state.stat?.nlink ?? 2) > 1 ? copyFile : linkOrCopy
    await put(home.target, join(staged, basename(home.target)))
    await syncFile(join(staged, basename(home.target)))
    await syncDirectory(staged)
    await rename(staged, join(home.slots, slot.slot))
    await syncDirectory(home.slots)
    const kept = await measure(contentOf(home, slot))
    if (kept.digest !== content.digest)
      throw new GupperError('cannot-read', `${home.target} is being written to`, { hint: 'try again later' })
    return { ...slot, content: kept }
  })
}

/** A tree of ours whose receipt was lost. */
async function adoptTree(home: Home, link: string): Promise<Slot | undefined> {
  const name = basename(link)
  const slot: Slot = {
    slot: name,
    kind: 'tree',
    version: parseVersion(name.replace(/-[0-9a-f]{8}(-\d+)?$/, '')) ?? '0.0.0',
    link,
    activated: new Date().toISOString(),
  }
  const directory = contentOf(home, slot)
  const found = await stat(directory).catch(() => undefined)
  if (found?.isDirectory() !== true) return undefined
  const { listTree } = await import('./tree.ts')
  const { manifest, size } = await explaining(`cannot read ${directory}`, () => listTree(directory), true)
  await writeDurably(manifestOf(home, name), manifest, join(home.temporary, 'manifest'))
  return { ...slot, content: { digest: digestOf(manifest), size, mtime: '0' } }
}
