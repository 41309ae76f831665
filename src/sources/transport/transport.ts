import { GupperError } from '../../errors.ts'
import { findPlace, type SourceOptions } from '../source.ts'

/** Where the files of a signed repository are read from. */
export interface Transport {
  /** The address, as records name it in `source`. */
  readonly url: string
  /**
   * A file of metadata/ whole, or undefined where there is none (404, 403, ENOENT).
   * @param name as it stands on the publisher's disk: "3.root.json", a role's name in it percent-encoded
   * @param maxBytes more than this is `too-large` (76)
   */
  readMetadata(name: string, maxBytes: number): Promise<Buffer | undefined>
  /**
   * The address of a target's bytes, for a record's `url`.
   * @param path below targets/: "HASH.FILE"
   * @throws GupperError `protocol` (76) for a path that leads out of there
   */
  targetUrl(path: string): string
  /** Says whenever something may have changed, as Source.changes. */
  changes?(signal: AbortSignal): Promise<AsyncIterable<unknown> | undefined>
  /** Lets go of its connections. */
  close?(): void
}

/**
 * Opens the place where a signed repository lies; its kind is loaded only now.
 * @param address http: or https: of a server, file: or a path of a directory or of a tar of one
 * @throws GupperError `usage` (64) for an address of no known kind, `cannot-read` (69) where nothing is
 */
export async function openTransport(address: string, options: SourceOptions): Promise<Transport> {
  const place = await findPlace(address, options.cwd)
  if (place.kind === 'http') {
    const { createHttpTransport } = await import('./http.ts')
    return createHttpTransport(address, options)
  }
  if (place.kind === 'tar') {
    const { createTarTransport } = await import('./tar.ts')
    return createTarTransport(place.path, options)
  }
  const { createDirectoryTransport } = await import('./directory.ts')
  return createDirectoryTransport(place.path)
}

/**
 * Whether a name can be that of a file in metadata/. encodeURIComponent leaves "." and ".." as they are, so that a role
 * of such a name must not become a path.
 */
export function isMetadataName(name: string): boolean {
  return /^[^./\\\u0000-\u001f\u007f][^/\\\u0000-\u001f\u007f]*$/.test(name)
}

/**
 * The parts of a target's path.
 * @throws GupperError `protocol` (76) for one that leads elsewhere: "..", a slash in front, NUL
 */
export function targetParts(path: string): string[] {
  const parts = path.split('/')
  if (parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\u0000-\u001f]/.test(part)))
    throw new GupperError('protocol', `${JSON.stringify(path)} is no path of a file below targets/`)
  return parts
}

/** What is wrong with a file of metadata/ that is larger than it may be. */
export function tooLarge(where: string, maxBytes: number): GupperError {
  return new GupperError('too-large', `${where} is larger than ${maxBytes} bytes`)
}
