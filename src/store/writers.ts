import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { each } from '../package/each.ts'

/**
 * Says which files some process has open for writing, as far as Linux shows it in /proc: everything to root, else the
 * processes of the same user. On other systems nothing is known and the answer is empty.
 * @param inodes "dev:ino" of the files in question
 * @returns those of them that are being written
 */
export async function findWritten(inodes: ReadonlySet<string>): Promise<Set<string>> {
  const written = new Set<string>()
  if (process.platform !== 'linux') return written
  const processes = (await list('/proc')).filter((name) => /^\d+$/.test(name))
  await each(processes, 8, async (pid) => {
    for (const fd of await list(`/proc/${pid}/fd`)) {
      const inode = await inodeOpen(`/proc/${pid}/fd/${fd}`)
      if (inode === undefined || !inodes.has(inode) || written.has(inode)) continue
      if (await isWriting(`/proc/${pid}/fdinfo/${fd}`)) written.add(inode)
    }
  })
  return written
}

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

async function inodeOpen(link: string): Promise<string | undefined> {
  try {
    const target = await readlink(link)
    // Sockets, pipes and terminals are most of what is open: not worth a stat.
    if (!target.startsWith('/') || target.startsWith('/dev/')) return undefined
    const { dev, ino } = await stat(link, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return undefined
  }
}

async function isWriting(info: string): Promise<boolean> {
  const text = await readFile(info, 'latin1').catch(() => '')
  const [, flags = '0'] = /^flags:\s*([0-7]+)/m.exec(text) ?? []
  return (parseInt(flags, 8) & 3) !== 0 // O_ACCMODE: 1 is O_WRONLY, 2 is O_RDWR
}
