import { basename, join } from 'node:path'
import { GupperError, errnoOf, explain } from '../../errors.ts'
import type { Format } from '../../package/filename.ts'
import { isAbort } from '../../package/flow.ts'
import { ArchiveGuard, defaultLimits, type ArchiveEntry, type ArchiveLimits } from './guard.ts'
import { readTar } from './tar.ts'
import { TreeWriter, placeFile } from './writer.ts'
import { readZip } from './zip.ts'

export { syncTree } from './writer.ts'
export { defaultLimits, type ArchiveLimits } from './guard.ts'

/** How to unpack. */
export interface UnpackOptions {
  limits?: Partial<ArchiveLimits>
  /** Place this one file only, by its path in the archive, or by its name when only one file has it. */
  pick?: string
  signal?: AbortSignal | undefined
}

/** What was unpacked. */
export interface Unpacked {
  /** Entries of the archive, and bytes of all its files. */
  entries: number
  bytes: number
  /** Where the picked file was placed. */
  picked?: string
}

/**
 * Unpacks an archive. Directories get mode 0755, files 0755 or 0644 by their x bits, a picked file 0755; they belong to
 * us and keep their times. Nothing of an entry is written before it has been checked, and no symbolic link is made before
 * everything else is there. Nothing is synced: see {@link syncTree}.
 * @param file the archive
 * @param format how it is packed
 * @param into an empty directory of the caller, who removes it when this throws
 * @throws GupperError `bad-archive` (65) for everything hostile or broken; `usage` (64) when `pick` names no one file;
 *   `cannot-read` (69); `cannot-write` or `no-space` (73)
 */
export async function unpack(
  file: string,
  format: Format,
  into: string,
  options: UnpackOptions = {},
): Promise<Unpacked> {
  const limits = { ...defaultLimits, ...options.limits }
  const { pick, signal } = options
  const read = (): AsyncGenerator<ArchiveEntry> => reading(file, readArchive(file, format, limits, signal))
  if (pick !== undefined) return unpackOne(file, read, limits, into, pick)

  const guard = new ArchiveGuard(file, limits)
  const writer = new TreeWriter(into)
  for await (const entry of read()) await writer.place(guard.admit(entry), entry)
  await writer.finish(guard.finish())
  return { entries: guard.entries, bytes: guard.bytes }
}

/**
 * Reads an archive to its end without writing anything.
 * @returns the paths of its files
 * @throws as {@link unpack}
 */
export async function inspect(
  file: string,
  format: Format,
  options: Omit<UnpackOptions, 'pick'> = {},
): Promise<string[]> {
  const limits = { ...defaultLimits, ...options.limits }
  const guard = await inspected(
    file,
    reading(file, readArchive(file, format, limits, options.signal)),
    limits,
  )
  return guard.files()
}

async function inspected(
  file: string,
  entries: AsyncIterable<ArchiveEntry>,
  limits: ArchiveLimits,
): Promise<ArchiveGuard> {
  const guard = new ArchiveGuard(file, limits)
  for await (const entry of entries) {
    guard.admit(entry)
    const body = entry.body()[Symbol.asyncIterator]()
    while ((await body.next()).done !== true);
  }
  guard.finish()
  return guard
}

// Read twice: only the whole archive tells whether a name is the only one of its kind, and whether it is fit to be used.
async function unpackOne(
  file: string,
  read: () => AsyncGenerator<ArchiveEntry>,
  limits: ArchiveLimits,
  into: string,
  pick: string,
): Promise<Unpacked> {
  const whole = await inspected(file, read(), limits)
  const path = choose(whole, file, pick)
  const picked = join(into, basename(pick))
  const guard = new ArchiveGuard(file, limits)
  for await (const entry of read()) {
    if (guard.admit(entry) !== path) continue
    await placeFile(picked, entry, 0o755)
    return { entries: whole.entries, bytes: whole.bytes, picked }
  }
  throw new GupperError('bad-archive', `${file}: changed while it was read`)
}

function choose(guard: ArchiveGuard, file: string, pick: string): string {
  const files = guard.files()
  const wanted = pick
    .split('/')
    .filter((name) => name !== '' && name !== '.')
    .join('/')
  const exact = wanted.includes('..') ? undefined : guard.fileAt(wanted)
  if (exact !== undefined) return exact
  const named = files.filter((path) => basename(path) === pick)
  const [only] = named
  if (only !== undefined && named.length === 1) return guard.fileAt(only) ?? only
  const shown = named.length > 1 ? named : files
  const names = shown
    .slice(0, 20)
    .map((path) => JSON.stringify(path))
    .join(', ')
  throw new GupperError(
    'usage',
    named.length > 1
      ? `${file} holds ${named.length} files named "${pick}"`
      : `${file} holds no file "${pick}"`,
    { hint: `choose one with --pick: ${names}${shown.length > 20 ? `, and ${shown.length - 20} more` : ''}` },
  )
}

function readArchive(
  file: string,
  format: Format,
  limits: ArchiveLimits,
  signal?: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  if (format === 'raw') throw new GupperError('usage', `${file} is not an archive`)
  return format === 'zip' ? readZip(file, limits, signal) : readTar(file, format, limits, signal)
}

/** Gives entries on, and makes every failure of reading them one for people. */
async function* reading(file: string, entries: AsyncIterable<ArchiveEntry>): AsyncGenerator<ArchiveEntry> {
  try {
    for await (const entry of entries) yield { ...entry, body: () => translated(file, entry.body()) }
  } catch (error) {
    throw translate(file, error)
  }
}

async function* translated(file: string, body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* body
  } catch (error) {
    throw translate(file, error)
  }
}

function translate(file: string, error: unknown): unknown {
  if (error instanceof GupperError || isAbort(error)) return error
  if (errnoOf(error) !== undefined) return explain(error, `cannot read ${file}`, true)
  const why = error instanceof Error ? error.message : String(error)
  return new GupperError('bad-archive', `${file}: is damaged: ${why}`, { cause: error })
}
