import { readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { explain } from '../errors.ts'
import { hashFile } from '../package/digest.ts'
import { isSafeName } from '../package/filename.ts'
import { host } from '../package/platform.ts'
import type { PackageRecord } from '../package/record.ts'
import { formatTime } from '../package/time.ts'
import { askVersion } from '../store/probe.ts'
import { fileUrl, type Source, type SourceOptions } from './source.ts'

/**
 * A directory of executables whose names say nothing: each is asked for its version. They are taken for this machine.
 * @param directory an absolute path
 * @param name the name they all have; without it each is named by its file, less a version at the end
 */
export function createProbeSource(
  directory: string,
  name: string | undefined,
  options: SourceOptions,
): Source {
  const { env, signal, observer } = options
  return {
    url: fileUrl(directory),
    async read() {
      const files = await readdir(directory).catch((error: unknown) => {
        throw explain(error, `cannot read ${directory}`, true)
      })
      const records: PackageRecord[] = []
      for (const file of files.filter(isSafeName).sort()) {
        const place = path.join(directory, file)
        const version = await askVersion(place, { env, signal, ...(observer && { observer }) })
        if (version === undefined) continue
        const { mtime } = await stat(place)
        const { size, digest } = await hashFile(place)
        records.push({
          schema: 1,
          name: name ?? nameOf(file),
          version,
          ...host,
          file,
          url: fileUrl(place),
          source: fileUrl(directory),
          size,
          digest,
          published: formatTime(mtime),
        })
      }
      return records
    },
  }
}

function nameOf(file: string): string {
  return file.replace(/\.exe$/i, '').replace(/[-_.@]v?\d+(\.\d+)*([-+][0-9A-Za-z.+-]*)?$/, '') || file
}
