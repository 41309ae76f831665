import { appendFileSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, explain } from '../errors.ts'
import { digestOf, parseDigest } from '../package/digest.ts'
import { silent, type Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import type { Clock } from './clock.ts'
import { makeDirectory, writeDurably } from './durable.ts'
import { withLock } from './lock.ts'

/** When this machine first saw which build. */
export interface FirstSeen {
  /**
   * Says when a build was first seen, in ms since the epoch; one that was not is noted as seen at `now`.
   * @throws GupperError `cannot-write`, `no-space` (73) when it cannot be noted
   */
  of(record: PackageRecord, now: number): number
}

const limit = 100_000 // builds that are remembered, 47 bytes each; the file may grow to twice as many

// The time has thirteen digits, so that a line that was cut off is none.
const line = /^([0-9a-f]{32}) ([1-9]\d{12})$/

/**
 * Remembers in a file, a line each. Lines are appended whole, so two processes at once do no harm; whatever is lost, to a
 * crash or to a second process, is a build that counts as new again: it waits longer, and never less.
 * @param file its directory is made when missing
 * @param clock times later than any that was seen are of a clock that was wrong: those builds count as new
 * @throws GupperError `cannot-read` (69) when it is there and cannot be read
 */
export async function openFirstSeen(file: string, clock: Clock, observer: Observer): Promise<FirstSeen> {
  const { known, lines, tail } = await read(file, clock.latest.getTime(), observer)
  let trouble: Error | undefined = await tryOpening(file)
  let kept = lines
  let start = tail
  let pending = ''
  const flush = (): void => {
    try {
      appendFileSync(file, start + pending)
      start = ''
    } catch (error) {
      trouble = asError(explain(error, `cannot write ${file}`))
      observer.warn(trouble.message)
    }
    pending = ''
    if (kept <= 2 * limit) return
    kept = limit
    compact(file, clock.latest.getTime()).catch((error: unknown) => observer.debug(asError(error).message))
  }
  if (kept > 2 * limit) flush()
  return {
    of(record, now) {
      const key = keyOf(record)
      const before = known.get(key)
      if (before !== undefined) return before
      if (trouble !== undefined) throw trouble
      const time = Math.ceil(now)
      known.set(key, time)
      if (known.size > 2 * limit) trim(known)
      // All that is noted in one go becomes one write, and is written before anything else happens.
      if (pending === '') queueMicrotask(flush)
      pending += `${key} ${time}\n`
      kept++
      return time
    },
  }
}

/** What a build is remembered by: its bytes where they are known, else what it is called. */
function keyOf({ digest, name, file }: PackageRecord): string {
  return (parseDigest(digest ?? '') ?? digestOf(`${name}\n${file}`).slice('sha256:'.length)).slice(0, 32)
}

async function read(
  file: string,
  latest: number,
  observer: Observer,
): Promise<{ known: Map<string, number>; lines: number; tail: string }> {
  let text = ''
  try {
    text = await readFile(file, 'latin1')
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? ''))
      throw explain(error, `cannot read ${file}`, true)
  }
  const known = new Map<string, number>()
  // Processes at once need not agree on the time to the millisecond.
  const end = latest + 300_000
  const lines = text.split('\n')
  let strange = 0
  for (const text of lines.slice(0, -1)) {
    const [, key = '', digits = ''] = line.exec(text) ?? []
    const time = Number(digits)
    if (key === '') strange++
    else if (time <= end) known.set(key, Math.min(time, known.get(key) ?? Infinity))
  }
  if (strange > 1)
    observer.warn(`${file} is damaged: builds that are no longer known from it count as seen just now`)
  trim(known)
  // What a crash has cut off must not swallow the next line.
  return { known, lines: lines.length, tail: text === '' || text.endsWith('\n') ? '' : '\n' }
}

/** Why nothing can be noted, if so. That is no failure yet: perhaps there is nothing to note. */
async function tryOpening(file: string): Promise<Error | undefined> {
  try {
    await makeDirectory(dirname(file))
    await (await open(file, 'a')).close()
    return undefined
  } catch (error) {
    return asError(explain(error, `cannot write ${file}`))
  }
}

/** Forgets what was noted first. */
function trim(known: Map<string, number>): void {
  for (const key of known.keys()) {
    if (known.size <= limit) return
    known.delete(key)
  }
}

async function compact(file: string, latest: number): Promise<void> {
  await withLock(`${file}.lock`, { what: file, wait: 0 }, async () => {
    const { known } = await read(file, Math.max(latest, Date.now()), silent)
    const text = [...known].map(([key, time]) => `${key} ${time}\n`).join('')
    await writeDurably(file, text, `${file}.new`)
  })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
