import { open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explaining } from '../../errors.ts'
import { makeDirectory, syncDirectory } from '../../store/durable.ts'
import { readRegular } from '../../store/read-regular.ts'
import { parseMetadata } from '../../trust/tuf/metadata.ts'
import type { Envelope, Root, Targets } from '../../trust/tuf/model.ts'
import { writeEnvelope } from '../envelope.ts'
import { metadataName, type Layout } from '../layout.ts'

/** Metadata that waits for signatures, by role: root, targets, and those that targets delegates to. */
export type Pending = ReadonlyMap<string, Envelope<Root> | Envelope<Targets>>

/**
 * Reads what waits for signatures. The form is held; the signatures are not.
 * @throws GupperError `untrusted` (77) naming a file that is no metadata
 */
export async function readPending({
  pending,
}: Layout): Promise<Map<string, Envelope<Root> | Envelope<Targets>>> {
  const found = new Map<string, Envelope<Root> | Envelope<Targets>>()
  const names = await explaining(
    `cannot read ${pending}`,
    () =>
      readdir(pending).catch((error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return []
        throw error
      }),
    true,
  )
  for (const name of names.sort()) {
    const [, , encoded] = /^(\d+)\.(.+)\.json$/.exec(name) ?? []
    if (encoded === undefined) continue
    const role = decode(encoded)
    const path = join(pending, name)
    const bytes = await explaining(`cannot read ${path}`, () => readRegular(path), true)
    const envelope = parse(role, bytes, path)
    if (metadataName(role, envelope.signed.version) !== name)
      throw new GupperError('untrusted', `${path} is version ${envelope.signed.version} of something else`)
    const { gupper: _context, ...rest } = envelope
    found.set(role, rest)
  }
  return found
}

function parse(role: string, bytes: Uint8Array, path: string): Envelope<Root> | Envelope<Targets> {
  try {
    return role === 'root' ? parseMetadata('root', bytes, path) : parseMetadata('targets', bytes, path)
  } catch (error) {
    if (!(error instanceof GupperError)) throw error
    throw new GupperError(error.code, error.message, {
      hint: `remove ${path}, and have the change made again`,
      cause: error,
    })
  }
}

function decode(word: string): string {
  try {
    return decodeURIComponent(word)
  } catch {
    return word
  }
}

/**
 * Puts a whole set in the place of what waited before; the change shows as a whole or not at all, see {@link settlePending}.
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writePending(layout: Layout, wanted: Pending): Promise<void> {
  const { pending, state } = layout
  const [next, old] = [`${pending}.new`, `${pending}.old`]
  await explaining(`cannot write ${pending}`, async () => {
    await rm(next, { recursive: true, force: true })
    if (wanted.size > 0) {
      await makeDirectory(next)
      for (const [role, envelope] of wanted) {
        const file = await open(join(next, metadataName(role, envelope.signed.version)), 'w', 0o644)
        try {
          await file.writeFile(writeEnvelope(envelope))
          await file.sync()
        } finally {
          await file.close()
        }
      }
      await syncDirectory(next)
    }
    await rename(pending, old).catch((error: unknown) => {
      if (errnoOf(error) !== 'ENOENT') throw error
    })
    if (wanted.size > 0) await rename(next, pending)
    await syncDirectory(state)
    await rm(old, { recursive: true, force: true })
  })
}

/** Finishes or undoes what a run that was cut off had begun with the set. */
export async function settlePending({ pending }: Layout): Promise<void> {
  const [next, old] = [`${pending}.new`, `${pending}.old`]
  const there = async (path: string): Promise<boolean> => {
    const names = await readdir(path).catch(() => undefined)
    return names !== undefined
  }
  await explaining(`cannot write ${pending}`, async () => {
    if (!(await there(old))) {
      await rm(next, { recursive: true, force: true })
      return
    }
    // The old set is moved away only when the new one is complete, or when none is to come.
    if (!(await there(pending)) && (await there(next))) await rename(next, pending)
    await rm(next, { recursive: true, force: true })
    await rm(old, { recursive: true, force: true })
  })
}
