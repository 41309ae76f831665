import { headBytes, readHead } from './entry.ts'
import type { LogStream } from './log.ts'
import type { OpenedFile } from './opened.ts'

/** Where the last lines of a log begin. */
export interface Tail {
  /** Which of the files, and where in it. */
  file: number
  offset: number
  /** How many lines end from there on before the wanted ones begin. */
  skip: number
}

const blockBytes = 64 * 1024
const lineFeed = 10

// How far back the beginning of a line is looked for when nothing of its stream is met.
const patience = 2 ** 20

/**
 * Finds where the last lines of a log begin, reading backwards no more than it takes.
 * @param files the oldest first
 * @param wanted how many lines
 * @param unfinished whether a line at the end that has not ended counts as one
 */
export async function findTail(
  files: readonly OpenedFile[],
  wanted: number,
  unfinished: boolean,
): Promise<Tail> {
  let found = 0
  let skip = 0
  let at: Tail = { file: files.length - 1, offset: files.at(-1)?.stats.size ?? 0, skip: 0 }
  // The streams of which the line seen last may begin further back, with the bytes that were passed since.
  const open = new Map<LogStream, number>()
  const seen = new Set<LogStream>()
  if (wanted <= 0) return at
  for (let file = files.length - 1; file >= 0; file--) {
    for await (const { offset, stream, tag, length } of entriesBackwards(files[file] as OpenedFile)) {
      const trailing = tag === 'P' && !seen.has(stream)
      seen.add(stream)
      if (tag === 'F' && found >= wanted) {
        open.delete(stream)
        if (open.size === 0) return { ...at, skip }
        skip++
      } else if (tag === 'F') {
        found++
        open.set(stream, 0)
      } else if (trailing) {
        if (unfinished && found < wanted) found++
        else if (unfinished) skip++
        open.set(stream, 0)
      } else if (open.has(stream)) open.set(stream, 0)
      at = { file, offset, skip: 0 }
      for (const [other, passed] of open)
        if (other !== stream && passed + length > patience && found >= wanted) open.delete(other)
        else if (other !== stream) open.set(other, passed + length)
      if (open.size === 0 && found >= wanted) return { ...at, skip }
    }
  }
  return { file: 0, offset: 0, skip }
}

async function* entriesBackwards({ handle, stats }: OpenedFile) {
  const block = Buffer.alloc(blockBytes + headBytes)
  // What follows the block: the head of an entry may lie across its end. Entries end with a line feed.
  let follows = 0
  let ended = stats.size
  let complete = false
  for (let end = stats.size; end > 0;) {
    const length = Math.min(blockBytes, end)
    block.copyWithin(length, 0, follows)
    const { bytesRead } = await handle.read(block, 0, length, end - length)
    if (bytesRead < length) return
    const view = block.subarray(0, length + follows)
    for (let at = length - 1; at >= -1;) {
      const feed = at < 0 ? -1 : block.lastIndexOf(lineFeed, at)
      if (feed < 0 && end > length) break
      const offset = end - length + feed + 1
      const head = complete ? readHead(view, feed + 1) : undefined
      if (head) yield { offset, stream: head.stream, tag: head.tag, length: ended - offset }
      complete = true
      ended = offset
      at = feed < 0 ? -2 : feed - 1
    }
    follows = Math.min(headBytes, length + follows)
    end -= length
  }
}
