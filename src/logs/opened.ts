import type { Stats } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf } from '../errors.ts'
import { rotatedFiles } from './files.ts'

/** A file of a log, held open: wherever it is renamed to, it is the same one. */
export interface OpenedFile {
  handle: FileHandle
  stats: Stats
}

const isSame = (a: Stats, b: Stats): boolean => a.ino === b.ino && a.dev === b.dev

/**
 * Opens the files of a log, the oldest first, while they may be rotated. From the newest on: a file that is renamed
 * meanwhile has a higher number then, and is met once more, never missed.
 * @param since the file, still open, that is already known: only those after it are opened
 * @throws the system's error when the directory cannot be read
 */
export async function openFiles(directory: string, since?: OpenedFile): Promise<OpenedFile[]> {
  const opened: OpenedFile[] = []
  try {
    for (let number = 0, missing = 0, last = 0; number <= last || missing < 2; number++) {
      const handle = await openIfThere(join(directory, number === 0 ? 'current' : String(number)))
      const file = handle && { handle, stats: await handle.stat() }
      const known = file && since && isSame(since.stats, file.stats)
      if (known || opened.some(({ stats }) => file && isSame(stats, file.stats))) await handle?.close()
      else if (file) opened.unshift(file)
      if (known) break
      // In the midst of a rotation one number is missing.
      if (number === 0) last = (await rotatedFiles(directory)).at(-1) ?? 0
      missing = file ? 0 : missing + 1
    }
    return opened
  } catch (error) {
    for (const { handle } of opened) await handle.close()
    throw error
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
