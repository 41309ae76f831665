import { constants } from 'node:fs'
import { open, readFile, rename, rm, writeFile, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { explaining } from '../errors.ts'
import { makeDirectory, syncDirectory } from './durable.ts'
import { startTrailingHash } from './trailing-hash.ts'

/** A file that is being downloaded. Whoever opens one holds its lock. */
export interface Partial {
  /** How many bytes are there. */
  readonly size: number
  /** What they may be resumed with; undefined when they came from another address. */
  readonly validator: string | undefined
  /** Starts at an offset, which is `size` or 0: then what was there goes. */
  begin(offset: number, validator: string | undefined): Promise<void>
  /** Takes a chunk, which belongs to the file from now on. A promise means: wait before giving more. */
  write(chunk: Buffer): Promise<void> | undefined
  /** Writes what is left; gives the digest of the whole. */
  finish(): Promise<string>
  /** Moves the finished file to its place, on the disk. */
  moveTo(path: string): Promise<void>
  /** Closes it; what is there stays for the next time. */
  close(): Promise<void>
  /** Closes it and deletes it. */
  discard(): Promise<void>
}

const batch = 2 ** 20

/** The small file beside a partial one, with what is needed to resume it. */
export const sidePath = (path: string): string => `${path}.json`

/**
 * Opens a partial file, or the beginning of one.
 * @param path the file; its directory is made when missing
 * @param origin what its bytes come from; bytes of another origin are not resumed
 * @throws GupperError `cannot-write` or `no-space` (73), as all its methods
 */
export async function openPartial(path: string, origin: string): Promise<Partial> {
  const doing = `cannot write ${path}`
  const file = await explaining(doing, async () => {
    await makeDirectory(dirname(path), 0o700)
    return open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644)
  })
  let size = (await file.stat()).size
  let validator = await readSide(path, origin)
  let hash = startTrailingHash(path)
  let waiting: Buffer[] = []
  let bytes = 0
  let writing: Promise<void> = Promise.resolve()

  const flush = (): void => {
    const chunks = waiting
    const at = size
    size += bytes
    waiting = []
    bytes = 0
    const to = size
    writing = explaining(doing, async () => {
      await writeAll(file, chunks, at)
      chunks.forEach(release)
      hash.advance(to)
    })
    // It is waited for before the next one; until then a failure is not "unhandled".
    writing.catch(() => undefined)
  }
  const settle = async (): Promise<void> => {
    await writing
    if (bytes > 0) flush()
    await writing
  }
  const close = async (): Promise<void> => {
    hash.stop()
    await settle().catch(() => undefined)
    await file.close()
  }

  return {
    get size() {
      return size
    },
    get validator() {
      return validator
    },
    async begin(offset, next) {
      await settle()
      if (offset === size && size > 0) {
        hash.advance(size)
        return
      }
      hash.stop()
      hash = startTrailingHash(path)
      size = 0
      validator = next
      await explaining(doing, () => file.truncate(0))
      const side = sidePath(path)
      await explaining(`cannot write ${side}`, () => writeFile(side, JSON.stringify({ origin, validator })))
    },
    write(chunk) {
      waiting.push(chunk)
      bytes += chunk.length
      if (bytes < batch) return undefined
      // One batch is on its way to the disk while the next one is gathered, never more.
      return writing.then(flush)
    },
    async finish() {
      await settle()
      return hash.finish(size)
    },
    moveTo: (target) =>
      explaining(`cannot write ${target}`, async () => {
        await makeDirectory(dirname(target), 0o700)
        await file.sync()
        // Before the rename: after it nobody would look for it any more.
        await rm(sidePath(path), { force: true })
        await rename(path, target)
        await syncDirectory(dirname(target))
      }),
    close,
    async discard() {
      await close()
      await rm(path, { force: true })
      await rm(sidePath(path), { force: true })
    },
  }
}

async function readSide(path: string, origin: string): Promise<string | undefined> {
  try {
    const side = JSON.parse(await readFile(sidePath(path), 'utf8')) as {
      origin?: unknown
      validator?: unknown
    }
    return side.origin === origin && typeof side.validator === 'string' ? side.validator : undefined
  } catch {
    return undefined
  }
}

/** Writes buffers at a position; a full disk writes a part of them first. */
async function writeAll(file: FileHandle, chunks: readonly Buffer[], position: number): Promise<void> {
  let left: readonly Buffer[] = chunks
  for (let at = position; left.length > 0;) {
    const { bytesWritten } = await file.writev(left, at)
    at += bytesWritten
    let skip = bytesWritten
    const rest: Buffer[] = []
    for (const chunk of left) {
      if (skip < chunk.length) rest.push(chunk.subarray(skip))
      skip = Math.max(0, skip - chunk.length)
    }
    left = rest
  }
}

/** Gives a chunk's memory back at once: the garbage collector lets tens of megabytes of it pile up. */
function release(chunk: Buffer): void {
  const { buffer } = chunk
  if (buffer instanceof ArrayBuffer && buffer.byteLength === chunk.length) buffer.transfer(0)
}
