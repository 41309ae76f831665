import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explain } from '../../errors.ts'
import { watchDirectory } from '../directory.ts'
import { fileUrl } from '../source.ts'
import { isMetadataName, targetParts, tooLarge, type Transport } from './transport.ts'

// Never through a link, which may lead anywhere, and without hanging on a pipe.
const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * A signed repository in a directory of this machine.
 * @param directory an absolute path
 */
export function createDirectoryTransport(directory: string): Transport {
  const metadata = join(directory, 'metadata')
  return {
    url: fileUrl(directory),
    readMetadata: (name, maxBytes) =>
      isMetadataName(name) ? readFileUpTo(join(metadata, name), maxBytes) : Promise.resolve(undefined),
    targetUrl: (path) => fileUrl(join(directory, 'targets', ...targetParts(path))),
    changes: (signal) => Promise.resolve(watchDirectory(metadata, signal)),
  }
}

async function readFileUpTo(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, flags)
    const stat = await file.stat()
    if (!stat.isFile()) throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
    const buffer = Buffer.allocUnsafe(Math.min(stat.size, maxBytes) + 1)
    let size = 0
    for (;;) {
      const { bytesRead } = await file.read(buffer, size, buffer.length - size, size)
      size += bytesRead
      if (size > maxBytes) throw tooLarge(path, maxBytes)
      if (bytesRead === 0 || size === buffer.length) return buffer.subarray(0, size)
    }
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR' || errno === 'ENAMETOOLONG') return undefined
    if (errno === 'ELOOP') throw new GupperError('cannot-read', `cannot read ${path}: it is a symbolic link`)
    throw explain(error, `cannot read ${path}`, true)
  }
}
