import { open, stat, type FileHandle } from 'node:fs/promises'
import { GupperError, explain } from '../errors.ts'
import { finishHash, startHash } from '../package/digest.ts'

const chunk = 1 << 20

/**
 * Copies a file and hashes the very bytes it writes, so that nobody can swap them in between. On the disk when it returns.
 * @param source the file to read
 * @param destination a path that is not there yet
 * @param options `limit`: more bytes than this are not copied (`wrong-size`); `mode` of the new file
 * @returns the digest as "sha256:…" and the size in bytes of what was written
 * @throws GupperError `cannot-read` (69), `cannot-write` or `no-space` (73), `wrong-size` (65)
 */
export async function copyHashed(
  source: string,
  destination: string,
  options: { mode: number; limit?: number | undefined; signal?: AbortSignal | undefined },
): Promise<{ digest: string; size: number }> {
  const from = await openFile(source)
  try {
    const to = await open(destination, 'wx', options.mode).catch((error: unknown) => {
      throw explain(error, `cannot write ${destination}`)
    })
    try {
      const copied = await pump({ handle: from, path: source }, { handle: to, path: destination }, options)
      await to.chmod(options.mode)
      await to.sync()
      return copied
    } finally {
      await to.close()
    }
  } finally {
    await from.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // A named pipe would block the open until somebody writes to it.
    if (!(await stat(path)).isFile())
      throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
    return await open(path, 'r')
  } catch (error) {
    throw explain(error, `cannot read ${path}`, true)
  }
}

interface End {
  handle: FileHandle
  path: string
}

async function pump(
  from: End,
  to: End,
  { limit = Infinity, signal }: { limit?: number | undefined; signal?: AbortSignal | undefined },
): Promise<{ digest: string; size: number }> {
  const hash = startHash()
  const buffer = Buffer.allocUnsafe(chunk)
  for (let size = 0; ;) {
    signal?.throwIfAborted()
    const { bytesRead } = await from.handle.read(buffer, 0, chunk).catch((error: unknown) => {
      throw explain(error, `cannot read ${from.path}`, true)
    })
    if (bytesRead === 0) return { digest: finishHash(hash), size }
    size += bytesRead
    if (size > limit)
      throw new GupperError('wrong-size', `${from.path} is larger than the ${limit} bytes its record says`)
    const writing = writeAll(to, buffer.subarray(0, bytesRead))
    hash.update(buffer.subarray(0, bytesRead))
    await writing
  }
}

async function writeAll(to: End, bytes: Buffer): Promise<void> {
  try {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await to.handle.write(bytes, done)
      done += bytesWritten
    }
  } catch (error) {
    throw explain(error, `cannot write ${to.path}`)
  }
}
