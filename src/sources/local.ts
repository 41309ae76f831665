import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { GupperError, explaining } from '../errors.ts'
import { startTrailingHash } from '../store/trailing-hash.ts'

/**
 * Hashes a package that is on this machine already, where it stands.
 * @param file its name, for people
 * @param place a path, or a file: URL
 * @returns its absolute path, its size in bytes and its digest
 * @throws GupperError `cannot-read` (69), `bad-record` (65) for a URL of another machine
 */
export async function readLocal(
  file: string,
  place: string | URL,
): Promise<{ path: string; size: number; digest: string }> {
  const path = resolve(typeof place === 'string' ? place : toPath(place, file))
  const entry = await explaining(`cannot read ${path}`, () => stat(path), true)
  // A pipe would be waited for, a directory cannot be hashed.
  if (!entry.isFile()) throw new GupperError('cannot-read', `cannot read ${path}: it is not a file`)
  const hash = startTrailingHash(path)
  try {
    return { path, size: entry.size, digest: await hash.finish(entry.size) }
  } finally {
    hash.stop()
  }
}

function toPath(url: URL, file: string): string {
  try {
    return fileURLToPath(url)
  } catch (error) {
    throw new GupperError('bad-record', `${file} has an address that is not of a local file: ${url.href}`, {
      cause: error,
    })
  }
}
