import { constants, type BigIntStats } from 'node:fs'
import { open } from 'node:fs/promises'
import { finishHash, startHash } from '../package/digest.ts'
import { stampOf } from './entry.ts'

// Hashing runs on the main thread between two requests: a chunk must take no longer than a request may wait (0.2 ms).
const chunk = 256 << 10
const spare: Buffer[] = []

/**
 * Opens a file of the directory for reading: never through a link, and without hanging on a pipe.
 * @throws the system's error (ELOOP for a link)
 */
export function openPackage(path: string): ReturnType<typeof open> {
  // Windows has neither flag: undefined counts as 0 here.
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
}

/**
 * Hashes a file that must not change meanwhile.
 * @param path the file
 * @param stamp what it looked like when it was found to be whole
 * @returns its digest as "sha256:…" and its state, or undefined when it is another file or another state by now
 * @throws the system's error when it cannot be read
 */
export async function hashUnchanged(
  path: string,
  stamp: string,
): Promise<{ digest: string; stat: BigIntStats } | undefined> {
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
