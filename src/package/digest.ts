import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'

const form = /^sha256:[0-9a-f]{64}$/

/** Returns the 64 hexadecimal digits of "sha256:…", or undefined when the text is not a digest. */
export function parseDigest(text: string): string | undefined {
  return form.test(text) ? text.slice(7) : undefined
}

/** Starts a SHA-256 over a stream; {@link finishHash} ends it. */
export function startHash(): Hash {
  return createHash('sha256')
}

/** Ends a hash as "sha256:…". */
export function finishHash(hash: Hash): string {
  return `sha256:${hash.digest('hex')}`
}

/** The digest of bytes in memory, as "sha256:…". */
export function digestOf(bytes: string | Uint8Array): string {
  return finishHash(startHash().update(bytes))
}

/**
 * Hashes a file in constant memory.
 * @param path the file
 * @returns its digest as "sha256:…" and its size in bytes
 * @throws the system's error when it cannot be read
 */
export async function hashFile(path: string): Promise<{ digest: string; size: number }> {
  const hash = startHash()
  let size = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    size += chunk.length
  }
  return { digest: finishHash(hash), size }
}
