import { lstat, readdir, watch } from 'node:fs/promises'
import path from 'node:path'
import { explain } from '../errors.ts'
import { hashFile } from '../package/digest.ts'
import { accepts, choose, type Filter } from '../package/filter.ts'
import { parseFileName } from '../package/filename.ts'
import { silent } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { fileUrl, type Source, type SourceOptions } from './source.ts'

/**
 * A directory of packages that are named like packages. Only what fits is hashed, since that reads every byte.
 * @param directory an absolute path
 */
export function createDirectorySource(directory: string, options: SourceOptions): Source {
  const { observer = silent } = options
  const digests = new Map<string, string>()
  return {
    url: fileUrl(directory),
    async read(filter) {
      const found = await readNames(directory)
      const fitting = withoutDigests(found, filter)
      const records: PackageRecord[] = []
      for (const record of fitting) {
        try {
          const { key, size, published } = await describe(record.path)
          const digest = digests.get(key) ?? (await hashFile(record.path)).digest
          digests.set(key, digest)
          const { path: _path, ...plain } = record
          records.push({ ...plain, size, digest, published })
        } catch (error) {
          const reason = explain(error, `leaving out ${record.path}`, true)
          observer.warn(reason instanceof Error ? reason.message : String(reason))
        }
      }
      return records
    },
    changes: (signal) => Promise.resolve(watchDirectory(directory, signal)),
  }
}

type Found = PackageRecord & { path: string }

async function readNames(directory: string): Promise<Found[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: unknown) => {
    throw explain(error, `cannot read ${directory}`, true)
  })
  return entries.flatMap((entry) => {
    const parts = entry.isFile() ? parseFileName(entry.name) : undefined
    if (!parts) return []
    const { name, version, os, arch } = parts
    const file = path.join(directory, entry.name)
    const url = fileUrl(file)
    return [
      { schema: 1, name, version, os, arch, file: entry.name, url, source: fileUrl(directory), path: file },
    ]
  })
}

// The newest of each name can be told without digests, unless builds that were taken back must be passed over.
function withoutDigests(found: readonly Found[], filter: Filter): Found[] {
  const { rejected, ...rest } = filter
  if (rejected && rejected.size > 0) return found.filter(accepts(rest))
  return choose(found, rest) as Found[]
}

async function describe(file: string): Promise<{ key: string; size: number; published: string }> {
  const { dev, ino, size, mtimeNs, mtimeMs } = await lstat(file, { bigint: true })
  const published = new Date(Number(mtimeMs)).toISOString().replace(/\.\d+Z$/, 'Z')
  return { key: [dev, ino, size, mtimeNs].join(':'), size: Number(size), published }
}

// fs.promises.watch drops what happens between two reads of it; only that something happened matters here.
async function* watchDirectory(directory: string, signal: AbortSignal): AsyncGenerator<string> {
  try {
    for await (const { filename } of watch(directory, { signal, maxQueue: 1, overflow: 'ignore' }))
      yield filename ?? directory
  } catch (error) {
    if (!signal.aborted) throw explain(error, `cannot watch ${directory}`, true)
  }
}
