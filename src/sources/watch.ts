import { choose, type Filter } from '../package/filter.ts'
import { silent } from '../package/observer.ts'
import { isFailure, toFailure, type Item, type PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'
import { createAlarm } from './alarm.ts'
import { list, openSources, type ListOptions } from './list.ts'
import { createSeen, keyOf, type Seen } from './seen.ts'
import { Watcher, type Rhythm } from './watcher.ts'

const longestHeld = 60_000 // ms until what is held back is looked at again

/** How to watch. */
export interface WatchOptions extends Omit<ListOptions, 'filter'>, Rhythm {
  /** What is wanted, asked before every look, since what is installed may have changed. */
  filter: () => Promise<Filter>
  /** What was written before; in memory by default. */
  seen?: Seen
  /** A record that stays wanted (an installation failed) is written again after this many ms; 0 is never. */
  remind?: number
  /** End after so many records. */
  count?: number
  /** Called once, when there is nothing to do for the first time. */
  rest?: () => void
  signal: AbortSignal
}

/**
 * The `watch` step: writes a record when something new appears, once, until the signal.
 * @param addresses see {@link list}
 * @returns records with `watched`, which tells the later steps to act at once; outages are told to people only
 */
export async function* watch(addresses: readonly string[], options: WatchOptions): AsyncGenerator<Item> {
  const { signal, observer = silent, seen = createSeen(), count = Infinity } = options
  // Ends what listens also when the reader of this generator has had enough.
  const ending = new AbortController()
  const listening = AbortSignal.any([signal, ending.signal])
  const alarm = createAlarm(signal)
  const opened = await openSources(addresses, { ...options, filter: await options.filter() })
  const watchers: Watcher[] = []
  for (const source of opened) {
    // A source that cannot be opened is a mistake in the call, not an outage.
    if ('reason' in source) yield toFailure('watch', source.reason)
    else watchers.push(new Watcher(source, options, alarm, listening, observer))
  }
  const reminders = createReminders(options.remind ?? 0)
  let written = 0
  let { rest } = options
  try {
    while (watchers.length > 0 && !signal.aborted) {
      const filter = await options.filter()
      const now = performance.now()
      await Promise.all(watchers.map((watcher) => watcher.refresh(filter, now)))
      const known = watchers.flatMap(({ records }) => records)
      const wanted = choose(known, filter)
      for (const record of wanted) {
        if (seen.has(record) && !reminders.due(record)) continue
        yield mark(record)
        // Only now: a record whose reader went away before it was taken is still to be written.
        await seen.add(record)
        reminders.set(record)
        if (++written >= count) return
      }
      rest?.()
      rest = undefined
      const dueIn = Math.min(...watchers.map((watcher) => watcher.dueIn(performance.now())))
      // The time of what is held back comes without word from the source.
      await alarm.wait(wanted.length < known.length ? Math.min(dueIn, options.every, longestHeld) : dueIn)
    }
    signal.throwIfAborted()
  } finally {
    ending.abort()
    for (const { source } of watchers) source.close?.()
  }
}

/**
 * One look, for cron: what is new since the last one.
 * @returns records with `watched`; a source that is away is a failure here
 */
export async function* watchOnce(addresses: readonly string[], options: WatchOptions): AsyncGenerator<Item> {
  const { seen = createSeen(), count = Infinity } = options
  let written = 0
  for await (const item of list(addresses, { ...options, filter: await options.filter() })) {
    if (isFailure(item)) yield { ...item, error: { ...item.error, step: 'watch' } }
    else if (!seen.has(item)) {
      yield mark(item)
      await seen.add(item)
      if (++written >= count) return
    }
  }
}

function mark(record: PackageRecord): PackageRecord {
  return { ...record, watched: { at: formatTime(new Date()) } }
}

function createReminders(remind: number): {
  due(record: PackageRecord): boolean
  set(record: PackageRecord): void
} {
  const at = new Map<string, number>()
  return {
    due: (record) => remind > 0 && performance.now() - (at.get(keyOf(record)) ?? Infinity) >= remind,
    set: (record) => at.set(keyOf(record), performance.now()),
  }
}
