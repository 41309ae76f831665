import { watch } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import path from 'node:path'
import { explain } from '../errors.ts'
import { hashFile } from '../package/digest.ts'
import { preselect } from '../package/filter.ts'
import { parseFileName } from '../package/filename.ts'
import { silent } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'
import { findWritten } from '../store/writers.ts'
import { createAlarm } from './alarm.ts'
import { fileUrl, type Source, type SourceOptions } from './source.ts'

/**
 * A directory of packages that are named like packages. Only what fits is hashed, since that reads every byte.
 * @param directory an absolute path
 */
export function createDirectorySource(directory: string, options: SourceOptions): Source {
  const { observer = silent } = options
  const digests = new Map<string, string>()
  let unsettled = false
  return {
    url: fileUrl(directory),
    get unsettled() {
      return unsettled
    },
    async read(filter) {
      const found = await readNames(directory)
      const written = await findUnfinished(found)
      unsettled = written.size > 0
      for (const { path } of written) observer.info(`leaving out ${path}, which is still being written`)
      const settled = found.filter((record) => !written.has(record))
      const records: PackageRecord[] = []
      for (const record of preselect(settled, filter)) {
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

const recent = 60_000 // ms; what has been left alone for longer is not looked up in /proc

// A package that is still being copied in has the digest of nothing. (Also where the clock was set back since.)
async function findUnfinished(found: readonly Found[]): Promise<Set<Found>> {
  const suspects = new Map<string, Found>()
  for (const record of found) {
    const { dev, ino, ctimeMs } = await lstat(record.path, { bigint: true }).catch(() => gone)
    if (Math.abs(Date.now() - Number(ctimeMs)) < recent) suspects.set(`${dev}:${ino}`, record)
  }
  const written = suspects.size > 0 ? await findWritten(new Set(suspects.keys())) : new Set<string>()
  return new Set([...written].flatMap((inode) => suspects.get(inode) ?? []))
}

const gone = { dev: 0n, ino: 0n, ctimeMs: 0n }

async function describe(file: string): Promise<{ key: string; size: number; published: string }> {
  const { dev, ino, size, mtimeNs, mtimeMs } = await lstat(file, { bigint: true })
  const published = formatTime(new Date(Number(mtimeMs)))
  return { key: [dev, ino, size, mtimeNs].join(':'), size: Number(size), published }
}

/**
 * Says whenever something happened in a directory, until the signal.
 * @throws GupperError `cannot-read` (69) when it cannot be watched
 */
export async function* watchDirectory(directory: string, signal: AbortSignal): AsyncGenerator<string> {
  const alarm = createAlarm(signal)
  const failures: Error[] = []
  try {
    // Not that of fs/promises: it keeps every event, or warns of those it dropped. Only that something happened matters.
    const watcher = watch(directory, { signal }, () => alarm.ring())
    watcher.on('error', (error) => {
      failures.push(error)
      alarm.ring()
    })
    try {
      for (;;) {
        await alarm.wait(Infinity)
        if (signal.aborted) return
        const [failure] = failures
        if (failure) throw failure
        yield directory
      }
    } finally {
      watcher.close()
    }
  } catch (error) {
    if (!signal.aborted) throw explain(error, `cannot watch ${directory}`, true)
  }
}
