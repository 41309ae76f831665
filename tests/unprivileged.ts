import { chown, lstat, readdir } from 'node:fs/promises'
import path from 'node:path'

const nobody = 65_534

/**
 * Runs `work` as an ordinary user: as nobody where the tests run as root, who may read and write everything.
 * @param directory of the test; it and all in it are handed to that user
 */
export async function unprivileged<T>(directory: string, work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0 || !process.seteuid) return work()
  await handOver(directory)
  process.seteuid(nobody)
  try {
    return await work()
  } finally {
    process.seteuid(0)
  }
}

async function handOver(place: string): Promise<void> {
  await chown(place, nobody, nobody)
  if (!(await lstat(place)).isDirectory()) return
  for (const name of await readdir(place)) {
    const entry = path.join(place, name)
    if (!(await lstat(entry)).isSymbolicLink()) await handOver(entry)
  }
}
