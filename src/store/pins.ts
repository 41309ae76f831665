import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, explaining } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { makeDirectory, writeDurably } from './durable.ts'
import type { Home } from './slots.ts'

/** Whether somebody runs a slot, or may go back to it: it is not deleted then. */
export type IsPinned = (slot: string) => boolean

/**
 * Notes, on the disk when it returns, which slots somebody runs or may go back to. Needs no lock: only its owner writes it.
 * @param owner the name of a service
 * @param slots all of them: what is not among them is no longer pinned by this owner
 * @throws GupperError `cannot-write`, `no-space` (73); what was noted before stays then
 */
export async function pin(home: Home, owner: string, slots: readonly string[]): Promise<void> {
  const path = join(home.pins, owner)
  await explaining(`cannot write ${path}`, async () => {
    if (slots.length === 0) return rm(path, { force: true })
    await makeDirectory(home.pins)
    // Not in the directory for temporary files: that one is swept by whoever installs. No service begins with a dot.
    await writeDurably(path, `${JSON.stringify({ schema: 1, slots })}\n`, join(home.pins, `.${owner}`))
  })
}

/**
 * Reads what services have pinned. Where that cannot be read, or a newer gupper wrote it, everything is pinned: a slot too many
 * costs room, one too few a service. What is none of ours pins nothing: nothing of ours writes half a file.
 */
export async function readPins(home: Home): Promise<IsPinned> {
  const pinned = new Set<string>()
  try {
    for (const name of await readdir(home.pins)) {
      if (name.startsWith('.')) continue
      const slots = parsePin(await readFile(join(home.pins, name), 'utf8'))
      if (slots === 'unknown') return () => true
      for (const slot of slots) pinned.add(slot)
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') return () => true
  }
  return (slot) => pinned.has(slot)
}

function parsePin(text: string): readonly string[] | 'unknown' {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return []
  }
  if (typeof value !== 'object' || value === null) return []
  const { schema, slots } = value as { schema?: unknown; slots?: unknown }
  if (typeof schema === 'number' && schema > 1) return 'unknown'
  if (!Array.isArray(slots)) return []
  return (slots as unknown[]).filter((slot) => typeof slot === 'string' && isSafeName(slot)) as string[]
}
