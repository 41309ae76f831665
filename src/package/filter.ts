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
  /** Whether a staged release has come as far as this machine; without it, every release has. */
  reached?: (record: PackageRecord) => boolean
  /** Whether a build is known here for long enough. It is asked of all that fits, since only that counts as seen. */
  aged?: (record: PackageRecord) => boolean
  /** Everything that fits, not only the newest of each name; all platforms and pre-releases unless asked otherwise. */
  all?: boolean
}

/**
 * Says of one record whether it fits; {@link choose} then keeps the newest of each name.
 * @param filter see {@link Filter}
 */
export function accepts(filter: Filter): (record: PackageRecord) => boolean {
  const fit = fitting(filter)
  return (record) => fit(record) && isDue(record, filter)
}

/** The same but for what only time holds back, see {@link isDue}. */
export function fitting(filter: Filter): (record: PackageRecord) => boolean {
  const names = filter.names && filter.names.length > 0 ? new Set(filter.names) : undefined
  const os = filter.os ?? (filter.all ? undefined : host.os)
  const arch = filter.arch ?? (filter.all ? undefined : host.arch)
  return (record) => {
    if (names && !names.has(record.name)) return false
    if (!fits(record, os ?? record.os, arch ?? record.arch)) return false
    if (!fitsVersion(record, filter)) return false
    if (isBelowFloor(record, filter.newerThan)) return false
    return record.digest === undefined || !filter.rejected?.has(record.digest)
  }
}

/** Whether a record that fits need not wait: it is old enough, and its rollout has come as far as this machine. */
export function isDue(record: PackageRecord, { aged, reached }: Filter): boolean {
  // Its age counts from when it arrived, not from when the rollout lets it through.
  const old = aged?.(record) ?? true
  return old && (reached?.(record) ?? true)
}

// A floor that cannot be read keeps the release to new installations.
function isBelowFloor({ floor }: PackageRecord, installed: string | undefined): boolean {
  if (floor === undefined || installed === undefined) return false
  const least = parseVersion(floor)
  return least === undefined || compareVersions(installed, least) < 0
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
  const found = [...records].filter(accepts(filter)).sort(inOrder)
  if (filter.all) return found
  return found.filter((record, i) => i === 0 || found[i - 1]?.name !== record.name)
}

/**
 * Keeps what is chosen now and what would take its place when its time has come, in the order of {@link choose}: what
 * must be remembered of a source that is not read again until it changes.
 */
export function candidates(records: Iterable<PackageRecord>, filter: Filter): PackageRecord[] {
  const found = [...records].filter(fitting(filter)).sort(inOrder)
  if (filter.all) return found
  let settled: string | undefined
  return found.filter((record) => {
    if (record.name === settled) {
      // Its age counts from now on too.
      filter.aged?.(record)
      return false
    }
    if (isDue(record, filter)) settled = record.name
    return true
  })
}

/**
 * Keeps what is worth hashing of packages whose digests are not known yet: the newest of each name, unless some must be
 * passed over by digest (builds that were taken back, builds that are too new here).
 */
export function preselect<T extends PackageRecord>(found: readonly T[], filter: Filter): T[] {
  const { rejected: _rejected, aged: _aged, ...rest } = filter
  return choosesHere(filter) ? found.filter(fitting(rest)) : (choose(found, rest) as T[])
}

/** Whether only this side can tell what comes next, so that the newest alone is not enough to choose from. */
export function choosesHere({ rejected, aged }: Filter): boolean {
  return (rejected !== undefined && rejected.size > 0) || aged !== undefined
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
 * back or must be of an age everything that fits is asked for, since only this side can tell which come next.
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
  if (filter.all || choosesHere(filter)) query.set('all', '1')
  return query
}
