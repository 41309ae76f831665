import { stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { GupperError, explain } from '../errors.ts'
import type { Limits } from '../net/limits.ts'
import { formatOf, parseFileName } from '../package/filename.ts'
import type { Filter } from '../package/filter.ts'
import type { Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'

/** A place where packages come from. */
export interface Source {
  /** Its address, as records name it in `source`. */
  readonly url: string
  /**
   * What it has, or undefined when nothing changed since this object was asked before.
   * The source may leave out what does not fit the filter, and need not: the caller filters again.
   */
  read(filter: Filter): Promise<Iterable<PackageRecord> | undefined>
  /** True when the last reading left out what was still being written, so that it is worth reading again soon. */
  readonly unsettled?: boolean
  /** What the last reading could not give, though it gave the rest. */
  readonly troubles?: readonly GupperError[]
  /**
   * Says whenever something may have changed, until the signal; undefined where the source cannot push.
   * Ends, or throws, when it no longer can.
   */
  changes?(signal: AbortSignal): Promise<AsyncIterable<unknown> | undefined>
  /** Lets go of its connections. */
  close?(): void
}

/** What a source needs of the world. */
export interface SourceOptions {
  cwd: string
  env: Readonly<Record<string, string | undefined>>
  /** The token file for sources that want one. */
  tokenFile?: string | undefined
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
  /** How much each source over HTTP is borne with; default: `defaultLimits` of net/. */
  limits?: Partial<Limits> | undefined
}

/** What an address names. */
export type Place = { kind: 'http' } | { kind: 'directory' | 'tar'; path: string }

/**
 * Opens a source by its address; its kind is loaded only now.
 * @param address http: or https: of a package server, file: or a path of a directory or of a tar of one
 * @throws GupperError `usage` for an address of no known kind
 */
export async function openSource(address: string, options: SourceOptions): Promise<Source> {
  const place = await findPlace(address, options.cwd)
  if (place.kind === 'http') {
    const { createHttpSource } = await import('./http.ts')
    return createHttpSource(address, options)
  }
  if (place.kind === 'tar') {
    const { createTarSource } = await import('./tar.ts')
    return createTarSource(place.path, options)
  }
  const { createDirectorySource } = await import('./directory.ts')
  return createDirectorySource(place.path, options)
}

/**
 * Tells what an address names; paths come out absolute.
 * @throws GupperError `usage` (64) for an address of no known kind, `cannot-read` (69) where nothing is
 */
export async function findPlace(address: string, cwd: string): Promise<Place> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(address)?.[1]?.toLowerCase()
  if (scheme === 'http' || scheme === 'https') return { kind: 'http' }
  if (scheme !== undefined && scheme !== 'file' && address.includes('://'))
    throw new GupperError('usage', `cannot read ${address}: "${scheme}:" is no kind of source`, {
      hint: 'a source is http://…, https://…, file:///…, a directory, or a tar of one',
    })
  const file = localPath(address, cwd)
  // A package that is a tar itself is no place where packages are.
  const isTar = formatOf(file).startsWith('tar') && !parseFileName(path.basename(file))
  if (isTar && (await stat(file).catch(() => undefined))?.isFile()) return { kind: 'tar', path: file }
  return { kind: 'directory', path: await findDirectory(address, cwd) }
}

/**
 * Finds a directory by its path or its file: address.
 * @throws GupperError `cannot-read` (69) when there is none, `usage` when it is a file
 */
export async function findDirectory(address: string, cwd: string): Promise<string> {
  const directory = localPath(address, cwd)
  const found = await stat(directory).catch((error: unknown) => {
    throw explain(error, `cannot read ${address}`, true)
  })
  if (!found.isDirectory())
    throw new GupperError('usage', `${address} is a file, not a directory of packages`, {
      hint: `name its directory: ${path.dirname(address)}`,
    })
  return directory
}

function localPath(address: string, cwd: string): string {
  return /^file:/i.test(address) ? filePath(address) : path.resolve(cwd, address)
}

function filePath(address: string): string {
  try {
    return fileURLToPath(address)
  } catch {
    throw new GupperError('usage', `${address} is not an address of a file`, {
      hint: 'write file:///absolute/path',
    })
  }
}

/** The file: address of a directory or file. */
export function fileUrl(file: string): string {
  return pathToFileURL(file).href
}
