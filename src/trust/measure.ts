import { createHash } from 'node:crypto'
import { constants, open } from 'node:fs/promises'
import { errnoOf, explain, GupperError } from '../errors.ts'

/** What one reading of a file's bytes found. */
export interface Measured {
  /** In bytes. */
  size: number
  /** "sha256:…" */
  digest: string
  /** Lower-case hexadecimal, where asked for. */
  sha512?: string
  /** BLAKE2b-512, where asked for. */
  blake2b?: Buffer
  /** All the bytes, where asked for. */
  whole?: Buffer
}

/** What is to be found out besides size and SHA-256. */
export interface Wanted {
  sha512?: boolean
  blake2b?: boolean
  /** The bytes themselves, of a file of at most {@link maxWhole}. */
  whole?: boolean
  signal?: AbortSignal | undefined
}

/** The largest file that is held in memory, for legacy signatures: 256 MiB. */
export const maxWhole = 256 << 20

/**
 * Reads a file once, through one descriptor, and takes everything that is to be known of it from that reading: two
 * readings could see two files.
 * @param path a regular file
 * @throws GupperError `cannot-read` (69) when there is none, `untrusted` (77) when it is too large to be held whole
 */
export async function measure(path: string, wanted: Wanted = {}): Promise<Measured> {
  // O_NONBLOCK: a pipe put in place of the file must not hold us up.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw explain(error, `cannot read ${path}`, true)
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
    if (wanted.whole && stat.size > maxWhole) throw tooLarge(path)
    const sha256 = createHash('sha256')
    const others = [
      wanted.sha512 && createHash('sha512'),
      wanted.blake2b && createHash('blake2b512'),
    ] as const
    const kept: Buffer[] = []
    const buffer = Buffer.allocUnsafe(1 << 20)
    let size = 0
    for (;;) {
      wanted.signal?.throwIfAborted()
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null)
      if (bytesRead === 0) break
      const chunk = buffer.subarray(0, bytesRead)
      size += bytesRead
      for (const hash of [sha256, ...others]) if (hash) hash.update(chunk)
      if (wanted.whole) kept.push(Buffer.from(chunk))
      if (wanted.whole && size > maxWhole) throw tooLarge(path)
    }
    const [sha512, blake2b] = others
    return {
      size,
      digest: `sha256:${sha256.digest('hex')}`,
      ...(sha512 && { sha512: sha512.digest('hex') }),
      ...(blake2b && { blake2b: blake2b.digest() }),
      ...(wanted.whole && { whole: Buffer.concat(kept) }),
    }
  } catch (error) {
    throw errnoOf(error) === undefined ? error : explain(error, `cannot read ${path}`, true)
  } finally {
    await file.close()
  }
}

function tooLarge(path: string): GupperError {
  return new GupperError(
    'untrusted',
    `${path} is larger than ${maxWhole >> 20} MiB and its signature is a legacy one, over the whole file`,
    { hint: 'have its publisher sign it again with a current minisign' },
  )
}
