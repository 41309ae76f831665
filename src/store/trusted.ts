import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { errnoOf, explaining, GupperError } from '../errors.ts'
import { silent, type Observer } from '../package/observer.ts'
import { highest, noMarks, type Marks } from '../trust/tuf/marks.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import { makeDirectory, syncDirectory, writeDurably } from './durable.ts'
import { withLock } from './lock.ts'

/** Where trusted metadata is kept. */
export interface TrustedPlace {
  /** Flat: root.json, timestamp.json, ROLE.json, byte for byte as they were served. Its journal and lock stand beside it. */
  directory: string
  /** The file of the high-water marks, apart from the directory, so that an older copy of the directory is noticed. */
  marks: string
}

/** What is trusted on this machine. */
export interface TrustedStore {
  /** A role's file; undefined where there is none. @throws GupperError `cannot-read` (69) */
  read(role: string): Promise<Uint8Array | undefined>
  /** The highest versions that were trusted. */
  readonly marks: Marks
  /**
   * Keeps what is new, all of it or nothing. When another process has kept something newer meanwhile, that stays.
   * @param fresh bytes by role
   * @param stale roles that are to be forgotten
   * @throws GupperError `cannot-write`, `no-space` (73), `locked` (75)
   */
  commit(fresh: ReadonlyMap<string, Uint8Array>, stale: Iterable<string>, marks: Marks): Promise<void>
}

interface Options {
  signal?: AbortSignal | undefined
  observer?: Observer | undefined
}

const fileOf = (role: string): string => `${encodeURIComponent(role)}.json`

/**
 * Opens what is trusted; a change that was cut off after it was decided is finished first.
 * @throws GupperError `cannot-read` (69), `cannot-write` (73), `locked` (75)
 */
export async function openTrustedStore(place: TrustedPlace, options: Options = {}): Promise<TrustedStore> {
  const { directory } = place
  const journal = `${directory}.next`
  const locked = <T>(work: () => Promise<T>): Promise<T> =>
    withLock(`${directory}.lock`, { what: directory, ...options }, work)
  const read = (role: string): Promise<Uint8Array | undefined> =>
    readFileOf(path.join(directory, fileOf(role)))

  if (await exists(journal)) await locked(() => finish(journal, directory))
  const marks = await readMarks(place.marks, options.observer)
  const known = await read('timestamp')
  let kept = JSON.stringify(marks)
  return {
    read,
    marks,
    commit: async (fresh, stale, after) => {
      const gone = [...stale].filter((role) => !fresh.has(role))
      if (fresh.size === 0 && gone.length === 0 && JSON.stringify(after) === kept) return
      await locked(async () => {
        await finish(journal, directory)
        const there = await read('timestamp')
        if (isNewer(there, known) && isNewer(there, fresh.get('timestamp'))) return
        await write(journal, fresh, gone)
        await finish(journal, directory)
        const text = JSON.stringify(highest(after, await readMarks(place.marks, silent)))
        await explaining(`cannot write ${place.marks}`, () => makeDirectory(path.dirname(place.marks), 0o700))
        await writeDurably(place.marks, `${text}\n`, `${place.marks}.new`)
      })
      kept = JSON.stringify(after)
    },
  }
}

/** Whether a timestamp is of a higher version than another one. */
function isNewer(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return versionOf(a) > versionOf(b)
}

function versionOf(bytes: Uint8Array | undefined): number {
  try {
    return bytes === undefined ? 0 : parseMetadata('timestamp', bytes, 'timestamp.json').signed.version
  } catch {
    return 0
  }
}

// Everything is on the disk under another name before it is renamed to the journal: that decides.
async function write(journal: string, fresh: ReadonlyMap<string, Uint8Array>, gone: string[]): Promise<void> {
  await explaining(`cannot write ${journal}`, async () => {
    const draft = `${journal}.draft`
    await rm(draft, { recursive: true, force: true })
    await makeDirectory(path.dirname(draft), 0o700)
    await mkdir(draft, { mode: 0o700 })
    const files: [string, Uint8Array][] = [...fresh].map(([role, bytes]) => [fileOf(role), bytes])
    for (const [name, bytes] of [
      ...files,
      ['gone', Buffer.from(JSON.stringify(gone.map(fileOf)))] as const,
    ]) {
      const file = await open(path.join(draft, name), 'w', 0o600)
      try {
        await file.writeFile(bytes)
        await file.sync()
      } finally {
        await file.close()
      }
    }
    await syncDirectory(draft)
    await rename(draft, journal)
    await syncDirectory(path.dirname(journal))
  })
}

async function finish(journal: string, directory: string): Promise<void> {
  if (!(await exists(journal))) return
  await explaining(`cannot write ${directory}`, async () => {
    await makeDirectory(directory, 0o700)
    const gone = await readFileOf(path.join(journal, 'gone'))
    // It is removed last, so that a run that was cut off here is finished by the next one.
    for (const name of gone === undefined ? [] : (JSON.parse(Buffer.from(gone).toString()) as string[]))
      await rm(path.join(directory, name), { force: true })
    for (const name of await readdir(journal))
      if (name !== 'gone') await rename(path.join(journal, name), path.join(directory, name))
    await syncDirectory(directory)
    await rm(journal, { recursive: true, force: true })
    await syncDirectory(path.dirname(journal))
  })
}

async function exists(directory: string): Promise<boolean> {
  return readdir(directory).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false
      throw new GupperError('cannot-read', `cannot read ${directory}`, { cause: error })
    },
  )
}

async function readFileOf(file: string): Promise<Uint8Array | undefined> {
  return explaining(
    `cannot read ${file}`,
    async () => {
      try {
        return await readFile(file)
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return undefined
        throw error
      }
    },
    true,
  )
}

// Marks that are lost or damaged leave what the trusted metadata itself says, as for every other client.
async function readMarks(file: string, observer: Observer = silent): Promise<Marks> {
  const bytes = await readFileOf(file)
  if (bytes === undefined) return noMarks()
  try {
    return { ...noMarks(), ...(JSON.parse(Buffer.from(bytes).toString()) as Partial<Marks>) }
  } catch {
    observer.warn(`${file} is damaged: how new the metadata once was can no longer be told from it`)
    return noMarks()
  }
}
