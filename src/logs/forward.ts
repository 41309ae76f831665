import type { Writable } from 'node:stream'
import { WholeLines } from './lines.ts'
import type { LogStream } from './log.ts'
import type { LogWriter } from './writer.ts'

// Bytes that may wait for a slow reader before lines are left out.
const backlog = 2 ** 18
const lineFeed = 10

/**
 * Copies the lines of a log to a stream for people, as bytes. It never waits: when more than 256 KiB is unwritten, lines are
 * left out, and one line says how many when it flows again. A line longer than 64 KiB may be cut. Note that Node writes to
 * its own stdout and stderr synchronously where they are pipes or terminals; whoever must not be held up opens them anew.
 * @param prefixes what begins the lines of each stream, such as `err| `; default nothing
 * @returns what ends it
 */
export function forwardLines(
  writer: LogWriter,
  out: Writable,
  prefixes: Partial<Record<LogStream, string>> = {},
): () => void {
  const whole = { stdout: new WholeLines(), stderr: new WholeLines(), gupper: new WholeLines() }
  let left = 0
  const tell = (): void => {
    if (left === 0) return
    const text = `… ${left} ${left === 1 ? 'line' : 'lines'} left out here; they are in the log\n`
    left = 0
    out.write((prefixes.gupper ?? '') + text)
  }
  const untap = writer.tap((stream, chunk) => {
    const lines = whole[stream].push(chunk)
    if (lines.length === 0) return
    if (out.writableLength > backlog) {
      left += count(lines)
      return
    }
    tell()
    out.write(prefixed(lines, prefixes[stream] ?? ''))
  })
  const stop = (): void => {
    untap()
    out.off('drain', tell)
    out.off('error', stop)
  }
  out.on('drain', tell)
  out.on('error', stop)
  return stop
}

function prefixed(lines: Buffer, prefix: string): Buffer {
  if (prefix === '') return lines
  // As latin1, each byte is a letter, and what is no UTF-8 stays as it is.
  const mark = Buffer.from(prefix).toString('latin1')
  const text = lines.toString('latin1', 0, lines.length - 1).replace(/\n/g, () => `\n${mark}`)
  return Buffer.from(`${mark}${text}\n`, 'latin1')
}

function count(lines: Buffer): number {
  let lineFeeds = 0
  for (let at = -1; (at = lines.indexOf(lineFeed, at + 1)) >= 0;) lineFeeds++
  return lineFeeds
}
