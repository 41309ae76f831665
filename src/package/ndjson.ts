import { isUtf8 } from 'node:buffer'
import type { Writable } from 'node:stream'
import { GupperError } from '../errors.ts'
import { parseItem, toFailure, type Failure, type Item } from './record.ts'

/** The longest line that is read, in bytes; a longer one is skipped and complained about. */
export const maxLine = 16 << 20

/** One line of a stream: its number from 1, and its text or what is wrong with it. */
export interface Line {
  number: number
  text: string | undefined
  complaint?: string
}

/**
 * Splits a stream of bytes into lines in bounded memory; empty lines are left out.
 * @param stream chunks of UTF-8
 * @param limit the longest line, in bytes
 */
export async function* readLines(
  stream: AsyncIterable<Uint8Array | string>,
  limit = maxLine,
): AsyncGenerator<Line> {
  let number = 1
  let parts: Buffer[] = []
  let length = 0
  const end = (): Line | undefined => {
    const line = { number, length, bytes: Buffer.concat(parts) }
    number++
    parts = []
    length = 0
    const bad = (complaint: string): Line => ({ number: line.number, text: undefined, complaint })
    if (line.length > limit)
      return bad(`longer than ${limit < 1 << 20 ? `${limit} bytes` : `${limit >> 20} MiB`}`)
    if (!isUtf8(line.bytes)) return bad('not UTF-8')
    const text = line.bytes.toString('utf8').trim()
    return text === '' ? undefined : { number: line.number, text }
  }
  for await (const chunk of stream) {
    let rest =
      typeof chunk === 'string'
        ? Buffer.from(chunk)
        : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
    for (;;) {
      const newline = rest.indexOf(10)
      const part = newline < 0 ? rest : rest.subarray(0, newline)
      length += part.length
      if (length <= limit) parts.push(part)
      else parts = []
      if (newline < 0) break
      const line = end()
      if (line) yield line
      rest = rest.subarray(newline + 1)
    }
  }
  const line = length > 0 ? end() : undefined
  if (line) yield line
}

/**
 * Reads records and travelling failures from a stream. A line that is neither becomes a failure of `step`, 65, that
 * names its number; the lines after it are still read.
 * @param step the verb that reads
 */
export async function* readItems(
  step: string,
  stream: AsyncIterable<Uint8Array | string>,
): AsyncGenerator<Item> {
  for await (const { number, text, complaint } of readLines(stream)) {
    try {
      if (text === undefined) throw new GupperError('bad-record', complaint ?? 'unreadable')
      yield parseItem(parseJson(text))
    } catch (thrown) {
      const message = thrown instanceof Error ? thrown.message : String(thrown)
      const failure = toFailure(step, new GupperError('bad-record', `line ${number}: ${message}`))
      malformed.add(failure)
      yield failure
    }
  }
}

const malformed = new WeakSet<Failure>()

/** Whether a failure is about a line that could not be read, and so is news, and not another step's. */
export function isMalformed(failure: Failure): boolean {
  return malformed.has(failure)
}

const deepest = 200 // brackets in brackets; records have about four

/**
 * Reads one line of JSON.
 * @throws GupperError `bad-record` when it is none, or nested so deeply that writing it again would overflow the stack
 */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    const start = text.length > 60 ? `${text.slice(0, 60).replace(/[\ud800-\udbff]$/, '')}…` : text
    throw new GupperError('bad-record', `not JSON: ${start}`)
  }
  if (text.length > 2 * deepest && isDeep(value)) throw new GupperError('bad-record', 'nested too deeply')
  return value
}

// Goes no deeper than it may itself, and makes no lists: metadata has millions of members.
function isDeep(value: unknown, left = deepest): boolean {
  if (left < 0) return true
  if (typeof value !== 'object' || value === null) return false
  for (const key in value) if (isDeep((value as Record<string, unknown>)[key], left - 1)) return true
  return false
}

/**
 * Writes one value as a line and waits when the reader is slower than we are.
 * @returns false when the reader has gone (a closed pipe), which is no error
 */
export async function writeLine(stream: Writable, value: unknown): Promise<boolean> {
  return writeText(stream, `${JSON.stringify(value)}\n`)
}

/** Writes text with back-pressure; false when the reader has gone. */
export async function writeText(stream: Writable, text: string): Promise<boolean> {
  if (stream.destroyed || stream.writableEnded) return false
  if (stream.write(text)) return true
  return new Promise((resolve) => {
    const finish = (open: boolean) => () => {
      stream.off('drain', drained).off('close', gone).off('error', gone)
      resolve(open)
    }
    const drained = finish(true)
    const gone = finish(false)
    stream.on('drain', drained).on('close', gone).on('error', gone)
  })
}
