import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { digestOf, finishHash, startHash } from '../package/digest.ts'
import { stampOf } from './entry.ts'

// Hashing runs on the main thread between two requests: a chunk must take no longer than a request may wait (0.2 ms).
const chunk = 256 << 10
const spare: Buffer[] = []

// Never through a link, and without hanging on a pipe. Windows has neither flag: undefined counts as 0 here.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Files up to this size in bytes are small: they are read at once, and kept in memory when asked for. */
export const smallFile = 64 << 10

/** What a file was when it was hashed. */
export interface Hashed {
  digest: string
  stat: BigIntStats
}

/**
 * Opens a file of the directory for reading: never through a link, and without hanging on a pipe.
 * @throws the system's error (ELOOP for a link)
 */
export function openPackage(path: string): ReturnType<typeof open> {
  return open(path, flags)
}

/**
 * Hashes a file that must not change meanwhile.
 * @param path the file
 * @param stamp what it looked like when it was found to be whole
 * @returns its digest as "sha256:…" and its state, or undefined when it is another file or another state by now
 * @throws the system's error when it cannot be read
 */
export async function hashUnchanged(path: string, stamp: string): Promise<Hashed | undefined> {
  const handle = await openPackage(path)
  const buffer = spare.pop() ?? Buffer.allocUnsafeSlow(chunk)
  try {
    const hash = startHash()
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, chunk)
      if (bytesRead === 0) break
      hash.update(buffer.subarray(0, bytesRead))
      if (bytesRead < chunk) break
    }
    // Read before the stat: whatever changed while it was hashed shows in it.
    const stat = await handle.stat({ bigint: true })
    return stampOf(stat) === stamp ? { digest: finishHash(hash), stat } : undefined
  } finally {
    spare.push(buffer)
    await handle.close()
  }
}

/**
 * The same for a small file, and without the thread pool, which takes five times as long for one.
 * @throws the system's error when it cannot be read
 */
export function hashSmallUnchanged(path: string, stamp: string): Hashed | undefined {
  const file = openSync(path, flags)
  try {
    scratch ??= Buffer.allocUnsafeSlow(smallFile + 1)
    const bytes = scratch.subarray(0, readSync(file, scratch, 0, smallFile + 1, 0))
    const stat = fstatSync(file, { bigint: true })
    return stampOf(stat) === stamp ? { digest: digestOf(bytes), stat } : undefined
  } finally {
    closeSync(file)
  }
}

let scratch: Buffer | undefined
