import type { Writable } from 'node:stream'
import type { Progress } from '../package/observer.ts'
import { cut, formatBytes, formatSeconds, printable, widthOf } from './text.ts'

const redrawEvery = 100 // ms
const rateWindow = 3000 // ms
const barWidth = 20
const leastLabel = 8 // columns of a name, before anything else goes

/**
 * Draws one line that follows all downloads under way: share, bar, rate over the last seconds, time left.
 * @param stream standard error, a terminal
 * @param columns how wide it is
 * @param now a clock in ms
 */
export function createProgress(
  stream: Writable,
  columns: number,
  now: () => number = () => performance.now(),
): { show: (progress: Progress) => void; clear: () => void } {
  const files = new Map<string, Progress>()
  let samples: { at: number; received: number }[] = []
  let drawn = false
  let drawnAt = -Infinity

  const clear = (): void => {
    if (drawn) stream.write('\r\u001b[K')
    drawn = false
  }
  const show = (progress: Progress): void => {
    files.set(progress.file, progress)
    const all = [...files.values()]
    if (all.every(({ done }) => done)) {
      files.clear()
      samples = []
      clear()
      return
    }
    const at = now()
    if (at - drawnAt < redrawEvery) return
    drawnAt = at
    const received = all.reduce((sum, file) => sum + file.received, 0)
    // Fewer bytes than before: a download starts over, and what came until then says nothing of the rate.
    const valid = samples.filter((sample) => at - sample.at <= rateWindow && sample.received <= received)
    samples = [...valid, { at, received }]
    stream.write(`\r\u001b[K${drawLine(all, rateOf(samples), columns)}`)
    drawn = true
  }
  return { show, clear }
}

function rateOf(samples: readonly { at: number; received: number }[]): number | undefined {
  const [first] = samples
  const last = samples.at(-1)
  if (!first || !last || last.at - first.at < redrawEvery) return undefined
  return ((last.received - first.received) / (last.at - first.at)) * 1000
}

/**
 * One line of progress.
 * @param files the downloads under way
 * @param rate in bytes a second, when known
 * @param columns how wide the terminal is; the line is narrower, and leaves out first the bar, then the numbers
 */
export function drawLine(files: readonly Progress[], rate: number | undefined, columns: number): string {
  const received = files.reduce((sum, file) => sum + file.received, 0)
  const known = files.every(({ total }) => total !== undefined)
  const total = files.reduce((sum, file) => sum + (file.total ?? 0), 0)
  const share = known && total > 0 ? Math.min(1, received / total) : undefined
  const left = share !== undefined && rate ? formatSeconds((total - received) / rate) : undefined
  const numbers = [
    share === undefined ? formatBytes(received) : `${formatBytes(received)} of ${formatBytes(total)}`,
    rate === undefined ? undefined : `${formatBytes(rate)}/s`,
    left === undefined ? undefined : `${left} left`,
  ].filter((part) => part !== undefined)
  const label = files.length === 1 ? printable(files[0]?.file ?? '') : `${files.length} files`
  const percent = share === undefined ? '' : `  ${String(Math.floor(share * 100)).padStart(3)} %`
  const bar = share === undefined ? '' : ` [${'='.repeat(Math.round(share * barWidth)).padEnd(barWidth)}]`
  const tails = [
    [percent + bar, ...numbers].join('  '),
    [percent, ...numbers].join('  '),
    [percent, ...numbers.slice(0, 1)].join('  '),
    percent,
  ]
  const room = (tail: string): number => columns - 1 - widthOf(tail)
  const least = Math.min(leastLabel, widthOf(label))
  const tail = tails.find((tail) => room(tail) >= least) ?? ''
  return cut(label, Math.max(0, room(tail))) + tail
}
