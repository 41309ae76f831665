import { chmod, link, lutimes, mkdir, open, readdir, symlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { explaining } from '../../errors.ts'
import type { ArchiveEntry } from './guard.ts'
import { syncDirectory } from '../durable.ts'

/** Places checked entries in an empty directory; links come last, so that nothing can be written through one. */
export class TreeWriter {
  readonly #root: string
  readonly #made = new Set<string>([''])
  readonly #times: [path: string, mtime: Date][] = []
  readonly #linkTimes = new Map<string, Date>()

  constructor(root: string) {
    this.#root = root
  }

  async place(path: string, entry: ArchiveEntry): Promise<void> {
    const absolute = join(this.#root, path)
    if (entry.kind === 'directory') {
      await this.#make(path)
      const mtime = usable(entry.mtime)
      if (mtime && path !== '') this.#times.push([absolute, mtime])
      return
    }
    await this.#make(path.includes('/') ? dirname(path) : '')
    if (entry.kind === 'symlink') {
      const mtime = usable(entry.mtime)
      if (mtime) this.#linkTimes.set(path, mtime)
    } else if (entry.kind === 'hardlink') {
      const target = join(this.#root, ...(entry.target ?? '').split('/'))
      await explaining(`cannot write ${absolute}`, () => link(target, absolute))
    } else await placeFile(absolute, entry, (entry.mode & 0o111) === 0 ? 0o644 : 0o755)
  }

  async finish(links: readonly [path: string, target: string][]): Promise<void> {
    for (const [path, target] of links) {
      const absolute = join(this.#root, path)
      await explaining(`cannot write ${absolute}`, async () => {
        await symlink(target, absolute)
        const mtime = this.#linkTimes.get(path)
        if (mtime) await lutimes(absolute, mtime, mtime)
      })
    }
    for (const [path, mtime] of this.#times)
      await explaining(`cannot write ${path}`, () => utimes(path, mtime, mtime))
  }

  async #make(path: string): Promise<void> {
    if (this.#made.has(path)) return
    await this.#make(path.includes('/') ? dirname(path) : '')
    const absolute = join(this.#root, path)
    await explaining(`cannot write ${absolute}`, async () => {
      await mkdir(absolute)
      await chmod(absolute, 0o755)
    })
    this.#made.add(path)
  }
}

/**
 * Writes one checked file.
 * @throws GupperError `cannot-write` or `no-space` (73), or what its body throws
 */
export async function placeFile(path: string, entry: ArchiveEntry, mode: number): Promise<void> {
  const doing = `cannot write ${path}`
  const file = await explaining(doing, () => open(path, 'wx', 0o600))
  try {
    for await (const chunk of entry.body()) await explaining(doing, () => file.writeFile(chunk))
    await explaining(doing, async () => {
      await file.chmod(mode)
      const mtime = usable(entry.mtime)
      if (mtime) await file.utimes(mtime, mtime)
    })
  } finally {
    await file.close()
  }
}

// File systems keep 32 bits of seconds at the least; an archive may say anything.
function usable(mtime: Date | undefined): Date | undefined {
  const time = mtime?.getTime() ?? NaN
  return time >= 0 && time < 2 ** 32 * 1000 ? mtime : undefined
}

/**
 * Brings a tree to the disk: every file, then every directory from the leaves to the root.
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function syncTree(root: string): Promise<void> {
  const files: string[] = []
  const directories: string[] = [root]
  for (const directory of directories) {
    const entries = await explaining(`cannot write ${directory}`, () =>
      readdir(directory, { withFileTypes: true }),
    )
    for (const entry of entries) {
      if (entry.isDirectory()) directories.push(join(directory, entry.name))
      else if (entry.isFile()) files.push(join(directory, entry.name))
    }
  }
  // Several at once, since a file system brings what waits to the disk together.
  const next = files.values()
  const worker = async (): Promise<void> => {
    for (const path of next) await explaining(`cannot write ${path}`, () => syncFile(path))
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  for (const path of directories.reverse())
    await explaining(`cannot write ${path}`, () => syncDirectory(path))
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
