import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, explain, GupperError } from '../errors.ts'
import { silent, type Observer } from '../package/observer.ts'
import { formatTime, isTime } from '../package/time.ts'
import { makeDirectory, writeDurably } from './durable.ts'
import { withLock } from './lock.ts'

/** What the time is, as far as this machine can tell by itself. */
export interface Clock {
  /** What the system's clock says. */
  now: Date
  /** The latest time that was ever seen here, `now` included: the one to hold expiries against. */
  latest: Date
  /** The system's clock is far behind the latest time seen: ages and expiries that it tells are not to be believed. */
  setBack: boolean
  /** Where the latest time is kept; deleting it makes this machine believe its clock again. */
  file: string
}

const step = 3_600_000 // ms the clock moves before that is written down
const tolerance = 300_000 // ms that clocks are corrected by in good faith

/**
 * Tells the time, and keeps the latest time seen. A mark that cannot be kept is told to people, since then a clock that
 * is set back goes unnoticed.
 * @param directory where the state is kept; made when missing
 * @param options `now` in place of the system's clock
 * @throws GupperError `cannot-read` (69) when the mark is there and cannot be read
 */
export async function readClock(
  directory: string,
  { now = new Date(), observer = silent }: { now?: Date; observer?: Observer } = {},
): Promise<Clock> {
  const file = join(directory, 'clock.json')
  const mark = await readMark(file, observer)
  const setBack = now.getTime() < (mark ?? 0) - tolerance
  if (mark === undefined || now.getTime() - mark > step) {
    await keep(file, now).catch((error: unknown) => {
      if (!(error instanceof GupperError)) throw error
      if (error.code !== 'locked') observer.warn(error.message, { hint: error.hint })
    })
  }
  return { now, latest: new Date(Math.max(now.getTime(), mark ?? 0)), setBack, file }
}

/** Tells people that the clock was set back, and what to do; nothing where it was not. */
export function warnOfClock({ now, latest, setBack, file }: Clock, observer: Observer): void {
  if (!setBack) return
  observer.warn(
    `the clock says ${formatTime(now)}, but ${formatTime(latest)} was seen here before: it was set back`,
    { hint: `correct the clock; if it was that earlier time that never was, delete ${file}` },
  )
}

async function readMark(file: string, observer: Observer = silent): Promise<number | undefined> {
  try {
    const { latest } = JSON.parse(await readFile(file, 'utf8')) as { latest?: unknown }
    const mark = isTime(latest) ? Date.parse(latest) : NaN
    if (!Number.isNaN(mark)) return mark
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    if (!(error instanceof SyntaxError || error instanceof TypeError))
      throw explain(error, `cannot read ${file}`, true)
  }
  observer.warn(`${file} is damaged: whether the clock was set back cannot be told`)
  return undefined
}

// Whoever holds the lock writes the same; nobody waits for it.
async function keep(file: string, now: Date): Promise<void> {
  const text = `${JSON.stringify({ latest: formatTime(now) })}\n`
  try {
    await makeDirectory(dirname(file))
  } catch (error) {
    throw explain(error, `cannot write ${file}`)
  }
  await withLock(`${file}.lock`, { what: file, wait: 0 }, async () => {
    const mark = (await readMark(file)) ?? 0
    if (now.getTime() > mark) await writeDurably(file, text, `${file}.new`)
  })
}
