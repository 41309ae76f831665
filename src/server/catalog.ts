import { accepts, inOrder, type Filter } from '../package/filter.ts'
import { fits } from '../package/platform.ts'
import type { PackageRecord } from '../package/record.ts'
import type { Entry } from './entry.ts'

/** What the server has right now, in memory. Every visible change raises `generation`. */
export class Catalog {
  generation = 0
  /** How many of the files are packages. */
  packages = 0
  /** Called with each package that appears. */
  onAppear: (record: PackageRecord) => void = () => undefined
  readonly #files = new Map<string, Entry>()
  // Newest first, so that the newest of a name is found without looking at its older versions.
  #loading = true
  readonly #names = new Map<string, PackageRecord[]>()

  /** Ends the first filling, in which order does not matter yet. */
  loaded(): void {
    this.#loading = false
    for (const versions of this.#names.values()) versions.sort(inOrder)
  }

  get(file: string): Entry | undefined {
    return this.#files.get(file)
  }

  /** Everything that can be downloaded. */
  entries(): IterableIterator<Entry> {
    return this.#files.values()
  }

  /** Puts a file in, or its new state in place of the old one. */
  add(entry: Entry): void {
    const before = this.#files.get(entry.file)
    if (before?.digest === entry.digest && before.modified === entry.modified) {
      before.stamp = entry.stamp
      return
    }
    this.remove(entry.file)
    this.generation++
    this.#files.set(entry.file, entry)
    const { record } = entry
    if (!record) return
    this.packages++
    const versions = this.#names.get(record.name)
    if (!versions) this.#names.set(record.name, [record])
    else if (this.#loading) versions.push(record)
    else versions.splice(place(versions, record), 0, record)
    this.onAppear(record)
  }

  /** Takes a file out, if it is in. */
  remove(file: string): void {
    const entry = this.#files.get(file)
    if (!entry) return
    this.generation++
    this.#files.delete(file)
    const { record } = entry
    if (!record) return
    this.packages--
    const versions = this.#names.get(record.name) ?? []
    versions.splice(this.#loading ? versions.indexOf(record) : place(versions, record), 1)
    if (versions.length === 0) this.#names.delete(record.name)
  }

  /** The names of packages, in order. */
  names(): string[] {
    return [...this.#names.keys()].sort()
  }

  /** All packages of one name, newest first. */
  versions(name: string): readonly PackageRecord[] {
    return this.#names.get(name) ?? []
  }

  /**
   * Keeps what fits, as `choose` of package/filter.ts does, with one difference: where no platform is given, the newest
   * of each name is kept for every platform, since the server does not know which one the client is.
   * @param filter what was asked for
   * @returns records without `url` and `source`, by name, then newest first
   */
  choose(filter: Filter): PackageRecord[] {
    const names = filter.names ? [...new Set(filter.names)].sort() : this.names()
    return names.flatMap((name) => newestOf(this.versions(name), filter))
  }
}

function newestOf(versions: readonly PackageRecord[], filter: Filter): PackageRecord[] {
  if (filter.all) return Object.keys(filter).length === 1 ? [...versions] : versions.filter(accepts(filter))
  const { os, arch } = filter
  if (os !== undefined && arch !== undefined) {
    const newest = versions.find(accepts(filter))
    return newest ? [newest] : []
  }
  const seen = new Set<string>()
  return versions.filter((record) => {
    const platform = `${record.os}/${record.arch}`
    if (seen.has(platform) || !fits(record, os ?? record.os, arch ?? record.arch)) return false
    if (!accepts({ ...filter, os: record.os, arch: record.arch })(record)) return false
    seen.add(platform)
    return true
  })
}

// Binary search for where a record stands, or would stand: `inOrder` ends in the file name, so no two are equal.
function place(versions: readonly PackageRecord[], record: PackageRecord): number {
  let low = 0
  let high = versions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = versions[middle]
    if (other && inOrder(other, record) < 0) low = middle + 1
    else high = middle
  }
  return low
}
