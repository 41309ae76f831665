import { finishHash, startHash } from '../package/digest.ts'
import { preselect } from '../package/filter.ts'
import { isSafeName, parseFileName } from '../package/filename.ts'
import type { PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'
import { fileUrl, type Source, type SourceOptions } from './source.ts'
import { createTarOpener, memberUrl, streamMember, type TarFile } from './transport/tar-file.ts'
import type { Member } from './transport/tar-index.ts'

/**
 * The packages in a tar of a directory of packages, or of a repository's folder. Nothing is unpacked; only what fits is
 * hashed.
 * @param path absolute
 */
export function createTarSource(path: string, options: SourceOptions): Source {
  const openAgain = createTarOpener(path, options)
  const digests = new Map<string, string>()
  return {
    url: fileUrl(path),
    async read(filter) {
      const tar = await openAgain()
      const records: PackageRecord[] = []
      for (const { member, ...record } of preselect(findPackages(tar), filter)) {
        const { size, mtime } = member
        const key = `${tar.stamp}:${member.offset}`
        const digest = digests.get(key) ?? (await hashMember(tar, member, options.signal))
        digests.set(key, digest)
        const published = mtime && { published: formatTime(mtime) }
        records.push({ ...record, size, digest, ...published })
      }
      return records
    },
  }
}

type Found = PackageRecord & { member: Member }

function findPackages(tar: TarFile): Found[] {
  const found = new Map<string, Found>()
  for (const [name, member] of tar.members) {
    // The bytes are there twice, as FILE and as targets/HASH.FILE, or only as the latter.
    const [, file] = /^(?:targets\/[0-9a-f]{64}\.)?([^/]+)$/.exec(name) ?? []
    const parts = file !== undefined && isSafeName(file) ? parseFileName(file) : undefined
    if (file === undefined || parts === undefined || (found.has(file) && file !== name)) continue
    const { name: program, version, os, arch } = parts
    const place = { url: memberUrl(tar.path, name), source: fileUrl(tar.path) }
    found.set(file, { schema: 1, name: program, version, os, arch, file, ...place, member })
  }
  return [...found.values()]
}

async function hashMember(tar: TarFile, member: Member, signal?: AbortSignal): Promise<string> {
  const hash = startHash()
  for await (const chunk of streamMember(tar, member, signal)) hash.update(chunk)
  return finishHash(hash)
}
