import { readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, explaining } from '../../errors.ts'
import { each } from '../../package/each.ts'
import { makeDirectory, syncDirectory } from '../../store/durable.ts'
import { forget, writePart, type Change } from '../commit.ts'
import { metadataName, metadataPath, type Layout } from '../layout.ts'

/** A new root, as the bytes of its file. */
export interface NewRoot {
  version: number
  bytes: Buffer
}

/**
 * Commits a new root, and with it what its keys had to sign anew. Everything is on the disk before the directory `turn`
 * shows; from then on it is done, whoever finishes it (see {@link finishTurn}).
 * @param change nothing where all that stands is also signed by the keys of the new root
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function commitTurn(layout: Layout, root: NewRoot, change?: Change): Promise<void> {
  const { turn, next } = placesOf(layout)
  const files = change?.files ?? []
  await each(files, 8, ({ role, version, bytes }) => writePart(metadataPath(layout, role, version), bytes))
  await explaining(`cannot write ${turn}`, async () => {
    await syncDirectory(layout.metadata)
    await rm(next, { recursive: true, force: true })
    await makeDirectory(next)
    await writePart(join(next, metadataName('root', root.version)), root.bytes)
    if (change !== undefined) await writePart(join(next, 'timestamp.json'), change.timestamp)
    await syncDirectory(next)
    await rename(next, turn)
    await syncDirectory(layout.state)
  })
  await finishTurn(layout)
  await forget(layout, files)
}

/**
 * Finishes a change of root that was decided. The timestamp goes first: where the keys of both roots have signed it, there
 * is no moment at which a client finds what it cannot believe.
 * @throws GupperError `cannot-write` (73)
 */
export async function finishTurn(layout: Layout): Promise<void> {
  const { turn, next } = placesOf(layout)
  await explaining(`cannot write ${layout.metadata}`, async () => {
    const names = await readdir(turn).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw error
    })
    if (names !== undefined) {
      if (names.includes('timestamp.json')) {
        await rename(join(turn, 'timestamp.json'), layout.timestamp)
        await syncDirectory(layout.metadata)
      }
      for (const name of names.filter((name) => /^\d+\.root\.json$/.test(name)))
        await rename(join(turn, name), join(layout.metadata, name))
      await syncDirectory(layout.metadata)
      await rm(turn, { recursive: true, force: true })
    }
    await rm(next, { recursive: true, force: true })
  })
}

function placesOf({ state }: Layout): { turn: string; next: string } {
  return { turn: join(state, 'turn'), next: join(state, 'turn.new') }
}
