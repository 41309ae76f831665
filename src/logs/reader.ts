import { errnoOf, explain, GupperError } from '../errors.ts'
import { Changes } from './changes.ts'
import { EntryReader } from './entries.ts'
import { Joiner } from './joiner.ts'
import type { LogLine } from './log.ts'
import { openFiles, type OpenedFile } from './opened.ts'
import { findTail } from './tail.ts'

/** Which lines of a log are read. */
export interface ReadOptions {
  /** The last so many; default all. */
  lines?: number | undefined
  /** Those from this time on, RFC 3339. */
  since?: string | undefined
  /** Goes on with what is written later. */
  follow?: boolean | undefined
  /** Ends it, quietly. */
  signal?: AbortSignal | undefined
}

/**
 * Reads a log, also while it is written: whole lines in the order in which they ended, each with the time at which it
 * began; one longer than 16 MiB is cut; what is no entry is skipped. Bytes that are no UTF-8 become U+FFFD.
 * @param directory of the log
 * @throws GupperError `usage` (64) for a `since` that is no time; `cannot-read` (69)
 */
export async function* readLog(directory: string, options: ReadOptions = {}): AsyncGenerator<LogLine> {
  const { lines = Infinity, signal } = options
  const since = options.since === undefined ? '' : instant(options.since)
  try {
    for await (const line of read(directory, lines, since, options)) {
      if (signal?.aborted) return
      if (line.time >= since) yield line
    }
  } catch (error) {
    throw explain(error, `cannot read the log ${directory}`, true)
  }
}

function instant(text: string): string {
  const form = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i
  const time = form.test(text) ? Date.parse(text) : NaN
  if (Number.isNaN(time))
    throw new GupperError('usage', `${text} is no time`, { hint: 'give it as 2026-11-21T06:10:36Z' })
  return new Date(time).toISOString()
}

async function* read(
  directory: string,
  lines: number,
  since: string,
  { follow = false, signal }: ReadOptions,
): AsyncGenerator<LogLine> {
  // The watch comes first: what happens while the files are read is not missed.
  const changes = follow ? new Changes(directory, signal) : undefined
  const files = new Files()
  try {
    files.all = await openFiles(directory)
    const joiner = new Joiner()
    const reader = yield* past(files.all, joiner, lines, since, follow)
    if (changes) yield* future(directory, files, joiner, changes, reader)
  } finally {
    changes?.close()
    await files.close()
  }
}

class Files {
  all: readonly OpenedFile[] = []

  async close(but?: OpenedFile): Promise<void> {
    const { all } = this
    this.all = but ? [but] : []
    for (const file of all) if (file !== but) await file.handle.close()
  }
}

// What is there now. Returns who reads the newest file on.
async function* past(
  files: readonly OpenedFile[],
  joiner: Joiner,
  lines: number,
  since: string,
  follow: boolean,
): AsyncGenerator<LogLine, EntryReader | undefined> {
  const some = Number.isFinite(lines)
  const start = some ? await findTail(files, lines, !follow) : { file: 0, offset: 0, skip: 0 }
  let { skip } = start
  let reader: EntryReader | undefined
  for (const [number, file] of files.entries()) {
    if (number < start.file || (!some && isBefore(file, since))) continue
    reader = new EntryReader(file, number === start.file ? start.offset : 0)
    for await (const line of reader.lines(joiner, file.stats.size)) if (skip-- <= 0) yield line
  }
  if (!follow) for (const line of joiner.rest()) if (skip-- <= 0) yield line
  const newest = files.at(-1)
  return reader ?? (newest && new EntryReader(newest))
}

// Nothing in a file is younger than its last change, give or take a tick of the file system's clock.
function isBefore({ stats }: OpenedFile, since: string): boolean {
  return since !== '' && stats.mtimeMs + 1000 < Date.parse(since)
}

async function* future(
  directory: string,
  files: Files,
  joiner: Joiner,
  changes: Changes,
  first: EntryReader | undefined,
): AsyncGenerator<LogLine> {
  for (let reader = first; ;) {
    if (reader) yield* reader.lines(joiner)
    const newer = await openFiles(directory, reader?.file).catch(goneIsNone)
    if (!newer) return
    if (newer.length === 0) {
      if (await changes.next()) continue
      return
    }
    files.all = [...files.all, ...newer]
    // Once there is a newer file, an older one gets no more: now it can be read to its end.
    if (reader) yield* reader.lines(joiner)
    for (const file of newer) {
      reader = new EntryReader(file)
      yield* reader.lines(joiner)
    }
    await files.close(reader?.file)
  }
}

function goneIsNone(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error
}
