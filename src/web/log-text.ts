import { stripVTControlCharacters } from 'node:util'
import type { LogLine } from '../logs/log.ts'

const longest = 2000

/** A line as the page keeps it: a very long one without its rest. */
export function cutLine({ time, stream, line }: LogLine): LogLine {
  if (line.length <= longest) return { time, stream, line }
  // Through bytes: a slice alone would hold on to all of the line it was cut from.
  const start = Buffer.from(line.slice(0, longest)).toString()
  return { time, stream, line: `${start}… (${line.length - longest} more)` }
}

/** A text of a program without colours and cursor movements, with any other control character made visible. */
export function tidyText(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r$/, '')
    .replace(/[\0-\x08\n-\x1f]/g, (sign) => String.fromCodePoint(0x2400 + sign.charCodeAt(0)))
    .replace(/[\x7f-\x9f]/g, '\ufffd')
}

/**
 * Puts what was read of a log and what was told of it meanwhile together: what is in both stands there once.
 * @param read the end of the log, oldest first
 * @param told the lines that came while it was read
 */
export function joinLines(read: readonly LogLine[], told: readonly LogLine[]): LogLine[] {
  const same = (a: LogLine | undefined, b: LogLine | undefined): boolean =>
    a !== undefined && a.time === b?.time && a.stream === b.stream && a.line === b.line
  for (let shared = Math.min(read.length, told.length); shared > 0; shared--) {
    const from = read.length - shared
    if (told.slice(0, shared).every((line, i) => same(line, read[from + i])))
      return [...read, ...told.slice(shared)]
  }
  return [...read, ...told]
}
