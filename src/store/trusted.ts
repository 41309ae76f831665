import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { errnoOf, explain, explaining, GupperError } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { silent, type Observer } from '../package/observer.ts'
import { highest, noMarks, readMarks as parseMarks, type Marks } from '../trust/tuf/marks.ts'
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
  let known = await read('timestamp')
  let kept = JSON.stringify(marks)
  return {
    read,
    marks,
    commit: async (fresh, stale, after) => {
      const gone = [...stale].filter((role) => !fresh.has(role))
      if (fresh.size === 0 && gone.length === 0 && JSON.stringify(after) === kept) return
      await locked(async () => {
        await finish(journal, directory)
        const news = await sift(fresh, known, read)
        if (news.size > 0 || gone.length > 0) {
          await write(journal, news, news.size < fresh.size ? [] : gone)
          await finish(journal, directory)
        }
        known = await read('timestamp')
        const text = JSON.stringify(highest(after, await readMarks(place.marks, silent)))
        await explaining(`cannot write ${place.marks}`, () => makeDirectory(path.dirname(place.marks), 0o700))
        await writeDurably(place.marks, `${text}\n`, `${place.marks}.new`)
      })
      kept = JSON.stringify(after)
    },
  }
}

/** What is not older than what another process has kept since `known` was read. */
async function sift(
  fresh: ReadonlyMap<string, Uint8Array>,
  known: Uint8Array | undefined,
  read: (role: string) => Promise<Uint8Array | undefined>,
): Promise<Map<string, Uint8Array>> {
  const news = new Map(fresh)
  const [root, timestamp] = [versionOf('root', await read('root')), await read('timestamp')]
  const newest = versionOf('timestamp', timestamp)
  // Another root may have other keys, with which versions begin anew.
  const isOld = fresh.has('root') && root > versionOf('root', fresh.get('root'))
  const isPassed =
    newest > versionOf('timestamp', known) && newest > versionOf('timestamp', fresh.get('timestamp'))
  if (isOld || isPassed) for (const role of fresh.keys()) if (role !== 'root' || isOld) news.delete(role)
  return news
}

function versionOf(kind: 'root' | 'timestamp', bytes: Uint8Array | undefined): number {
  try {
    return bytes === undefined ? 0 : parseMetadata(kind, bytes, `${kind}.json`).signed.version
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
    // It is removed last, so that a run that was cut off here is finished by the next one.
    for (const name of readNames(await readFileOf(path.join(journal, 'gone'))))
      await rm(path.join(directory, name), { force: true })
    for (const name of await readdir(journal))
      if (name !== 'gone') await rename(path.join(journal, name), path.join(directory, name))
    await syncDirectory(directory)
    await rm(journal, { recursive: true, force: true })
    await syncDirectory(path.dirname(journal))
  })
}

// Damaged, it is as empty: what should be gone is proven again before it is used, as everything is.
function readNames(bytes: Uint8Array | undefined): string[] {
  try {
    const names = JSON.parse(Buffer.from(bytes ?? []).toString()) as unknown
    return Array.isArray(names) ? (names as unknown[]).filter(isFileName) : []
  } catch {
    return []
  }
}

const isFileName = (name: unknown): name is string => typeof name === 'string' && isSafeName(name)

async function exists(directory: string): Promise<boolean> {
  return readdir(directory).then(
    () => true,
    (error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return false
      throw explain(error, `cannot read ${directory}`, true)
    },
  )
}

async function readFileOf(file: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    const reason = explain(error, `cannot read ${file}`, true)
    if (errnoOf(error) !== 'EISDIR' || !(reason instanceof GupperError)) throw reason
    throw new GupperError(reason.code, reason.message, { hint: 'move the directory away', cause: error })
  }
}

// Marks that are lost or damaged leave what the trusted metadata itself says, as for every other client.
async function readMarks(file: string, observer: Observer = silent): Promise<Marks> {
  const bytes = await readFileOf(file)
  if (bytes === undefined) return noMarks()
  const marks = tryParse(bytes)
  if (marks === undefined)
    observer.warn(`${file} is damaged: how new the metadata once was can no longer be told from it`)
  return marks ?? noMarks()
}

function tryParse(bytes: Uint8Array): Marks | undefined {
  try {
    return parseMarks(JSON.parse(Buffer.from(bytes).toString()))
  } catch {
    return undefined
  }
}
