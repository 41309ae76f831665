import type { Writable } from 'node:stream'
import type { Observer } from '../package/observer.ts'
import { createProgress } from './progress.ts'
import { paint, printable } from './text.ts'

const levels = ['debug', 'info', 'warn', 'error'] as const
type Level = (typeof levels)[number]

/** How standard error is written. */
export interface LogOptions {
  /** The verb, in front of each line. */
  step: string
  stream: Writable
  format: 'text' | 'json'
  /** The least level that is written. */
  level: Level
  terminal: boolean
  columns: number
  color: boolean
}

/**
 * Makes the observer that writes to standard error: one line a message, for people or (`--log json`) for machines, and
 * a progress bar where it is a terminal.
 */
export function createLog(options: LogOptions): Observer & { end: () => void } {
  const { step, stream, format, color } = options
  const progress =
    options.terminal && format === 'text' && options.level !== 'error'
      ? createProgress(stream, options.columns)
      : undefined

  const write = (level: Level, message: string, fields: Record<string, unknown> = {}): void => {
    if (levels.indexOf(level) < levels.indexOf(options.level)) return
    const by = typeof fields.step === 'string' && fields.step !== '' ? fields.step : step
    if (format === 'json') {
      stream.write(`${formatJson({ time: new Date().toISOString(), level, step: by, message }, fields)}\n`)
      return
    }
    progress?.clear()
    stream.write(`${formatLine(level, by, message, color)}\n`)
    if (typeof fields.hint === 'string' && fields.hint !== '')
      stream.write(`${paint(`  hint: ${printable(fields.hint)}`, 'dim', color)}\n`)
  }
  return {
    error: (message, fields) => write('error', message, fields),
    warn: (message, fields) => write('warn', message, fields),
    info: (message, fields) => write('info', message, fields),
    debug: (message, fields) => write('debug', message, fields),
    progress: (now) => progress?.show(now),
    end: () => progress?.clear(),
  }
}

// What every line has goes before fields of the same name; a field that cannot be written costs the fields, not the line.
function formatJson(line: Record<string, string>, fields: Record<string, unknown>): string {
  try {
    return JSON.stringify({ ...line, ...fields, ...line })
  } catch {
    return JSON.stringify(line)
  }
}

function formatLine(level: Level, step: string, message: string, color: boolean): string {
  const text = message.split('\n').map(printable).join('\n  ')
  const start = step === '' ? 'gupper' : `gupper ${printable(step)}`
  if (level === 'error') return `${paint(`${start}:`, 'red', color)} ${text}`
  if (level === 'warn') return `${paint(`${start}: warning:`, 'yellow', color)} ${text}`
  return paint(`${start}: ${text}`, 'dim', color && level === 'debug')
}
