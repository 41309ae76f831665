import { open, readFile, type FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { explaining } from '../errors.ts'
import type { PackageRecord } from '../package/record.ts'
import { makeDirectory, writeDurably } from '../store/durable.ts'

/** Which packages a watch has written already. */
export interface Seen {
  has(record: PackageRecord): boolean
  add(record: PackageRecord): Promise<void>
  close(): Promise<void>
}

/** What a package is remembered by: its bytes where they are known, and what it is called, since names may share bytes. */
export function keyOf({ digest, source, file }: PackageRecord): string {
  return [digest ?? source, file].join(' ')
}

/** Remembers for as long as this process lives. */
export function createSeen(): Seen {
  const keys = new Set<string>()
  return {
    has: (record) => keys.has(keyOf(record)),
    add: (record) => {
      keys.add(keyOf(record))
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
}

const most = 200_000 // keys that are kept; older ones are forgotten when the file is opened

/**
 * Remembers in a file, a line each; a line that was cut off by a crash is left out, so its package is written again.
 * @param file its directory is made when missing; the caller holds the lock
 * @throws GupperError `cannot-write`, `no-space` (73)
 */
export async function openSeen(file: string): Promise<Seen> {
  return explaining(`cannot write ${file}`, async () => {
    await makeDirectory(path.dirname(file))
    const text = await readFile(file, 'utf8').catch(() => '')
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    const lines = whole.split('\n').slice(0, -1)
    const keys = new Set(lines.slice(-most))
    if (whole !== text || lines.length > 2 * most)
      await writeDurably(file, [...keys].map((key) => `${key}\n`).join(''), `${file}.new`)
    const log: FileHandle = await open(file, 'a')
    return {
      // Digests alone are what was remembered before.
      has: (record) => keys.has(keyOf(record)) || (record.digest !== undefined && keys.has(record.digest)),
      add: async (record) => {
        keys.add(keyOf(record))
        await explaining(`cannot write ${file}`, async () => {
          await log.write(`${keyOf(record)}\n`)
          await log.datasync()
        })
      },
      close: () => log.close(),
    }
  })
}
