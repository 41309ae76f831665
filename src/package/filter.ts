import { GupperError } from '../errors.ts'
import { fits, generality, host, parseArch, parseOs } from './platform.ts'
import type { PackageRecord } from './record.ts'
import { channelOf, compareVersions, inRange, isRange, parseVersion } from './version.ts'

/** What to keep of many records. All given conditions must hold. */
export interface Filter {
  /** Names of packages; any of them. */
  names?: readonly string[]
  /** Go's words. Without `all`, this machine's are meant where none is given. */
  os?: string
  arch?: string
  /** A range by npm's rules: "^1.9". */
  range?: string
  /** Pre-releases of this channel are let in beside the stable versions. */
  channel?: string
  /** Only what is newer than this version. */
  newerThan?: string
  /** Digests of builds that were taken back. */
  rejected?: ReadonlySet<string>
  /** Everything that fits, not only the newest of each name; all platforms and pre-releases unless asked otherwise. */
  all?: boolean
}

/**
 * Says of one record whether it fits; {@link choose} then keeps the newest of each name.
 * @param filter see {@link Filter}
 */
export function accepts(filter: Filter): (record: PackageRecord) => boolean {
  const names = filter.names && filter.names.length > 0 ? new Set(filter.names) : undefined
  const os = filter.os ?? (filter.all ? undefined : host.os)
  const arch = filter.arch ?? (filter.all ? undefined : host.arch)
  return (record) => {
    if (names && !names.has(record.name)) return false
    if (!fits(record, os ?? record.os, arch ?? record.arch)) return false
    if (!fitsVersion(record, filter)) return false
    return record.digest === undefined || !filter.rejected?.has(record.digest)
  }
}

function fitsVersion(record: PackageRecord, filter: Filter): boolean {
  const { version } = record
  if (filter.newerThan !== undefined && compareVersions(version, filter.newerThan) <= 0) return false
  const channel = record.channel ?? channelOf(version)
  const asked = channel === filter.channel
  if (filter.range === undefined) return channel === 'stable' || asked || isOpen(filter)
  if (!inRange(version, filter.range)) return asked && inRange(release(version), filter.range)
  // A range lets in the pre-releases that it names, but says nothing of a release that only its channel holds back.
  return (
    channel === 'stable' || asked || isOpen(filter) || (filter.channel === undefined && isPrerelease(version))
  )
}

// With `all` every channel is let in, unless one is asked for.
function isOpen(filter: Filter): boolean {
  return filter.all === true && filter.channel === undefined
}

function isPrerelease(version: string): boolean {
  return channelOf(version) !== 'stable'
}

// A pre-release that was asked for by its channel is held against the range as the release that it leads to.
function release(version: string): string {
  return version.replace(/[-+].*$/, '')
}

/**
 * Keeps what fits: the newest of each name, or with `all` everything, ordered by name, then newest first.
 * @param records from anywhere; of two equal versions the one for this very platform wins over "any"
 */
export function choose(records: Iterable<PackageRecord>, filter: Filter): PackageRecord[] {
  const fitting = [...records].filter(accepts(filter)).sort(inOrder)
  if (filter.all) return fitting
  return fitting.filter((record, i) => i === 0 || fitting[i - 1]?.name !== record.name)
}

/** Orders records by name, then newest version first, then the more particular platform first. */
export function inOrder(a: PackageRecord, b: PackageRecord): number {
  if (a.name !== b.name) return a.name < b.name ? -1 : 1
  return (
    compareVersions(b.version, a.version) ||
    generality(a) - generality(b) ||
    (a.file < b.file ? -1 : a.file > b.file ? 1 : 0)
  )
}

/** The fields of a filter as people give them: flags, or query parameters of a package server. */
export interface FilterWords {
  name?: readonly string[] | undefined
  os?: string | undefined
  arch?: string | undefined
  range?: string | undefined
  channel?: string | undefined
  newerThan?: string | undefined
  all?: boolean | undefined
}

/**
 * Reads a filter from words.
 * @throws GupperError `usage` naming the word that cannot be read
 */
export function readFilter(words: FilterWords): Filter {
  const known = (what: string, word: string, value: string | undefined): string => {
    if (value === undefined) throw new GupperError('usage', `"${word}" is not ${what}`)
    return value
  }
  const { name, os, arch, range, channel, newerThan, all } = words
  // An empty one must not turn "this package" into "every package".
  const split = (list: string): string[] => {
    const parts = list.split(',').filter(Boolean)
    return parts.length > 0 ? parts : [known('a name of a package', list, undefined)]
  }
  return {
    ...(name && name.length > 0 && { names: name.flatMap(split) }),
    ...(os !== undefined && { os: known('an operating system', os, parseOs(os)) }),
    ...(arch !== undefined && { arch: known('a processor', arch, parseArch(arch)) }),
    ...(range !== undefined && {
      range: known('a range of versions', range, isRange(range) ? range : undefined),
    }),
    ...(channel !== undefined && { channel }),
    ...(newerThan !== undefined && { newerThan: known('a version', newerThan, parseVersion(newerThan)) }),
    ...(all && { all }),
  }
}

/** Reads a filter from a query: ?name=a&name=b&os=linux&arch=amd64&range=^1&channel=beta&newer-than=1.9&all=1 */
export function parseFilter(query: URLSearchParams): Filter {
  const one = (key: string): string | undefined => query.get(key) ?? undefined
  const all = one('all')
  return readFilter({
    name: query.getAll('name'),
    os: one('os'),
    arch: one('arch'),
    range: one('range'),
    channel: one('channel'),
    newerThan: one('newer-than'),
    all: all !== undefined && all !== '0' && all !== 'false',
  })
}

/**
 * Writes a filter as a query for a package server. The platform is always spelled out, and where builds were taken
 * back everything that fits is asked for, since only this side can tell which of them come next.
 */
export function formatFilter(filter: Filter): URLSearchParams {
  const query = new URLSearchParams()
  for (const name of filter.names ?? []) query.append('name', name)
  const os = filter.os ?? (filter.all ? undefined : host.os)
  const arch = filter.arch ?? (filter.all ? undefined : host.arch)
  if (os !== undefined) query.set('os', os)
  if (arch !== undefined) query.set('arch', arch)
  if (filter.range !== undefined) query.set('range', filter.range)
  if (filter.channel !== undefined) query.set('channel', filter.channel)
  if (filter.newerThan !== undefined) query.set('newer-than', filter.newerThan)
  if (filter.all || (filter.rejected && filter.rejected.size > 0)) query.set('all', '1')
  return query
}
