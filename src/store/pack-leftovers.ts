import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { readdir, rm, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { kill, pid } from 'node:process'
import { explain } from '../errors.ts'

const form = /^\.gupper-pack\.([0-9a-f]{8})\.(\d+)\.(\d+)\.[0-9a-f]{8}$/
const day = 24 * 3600 * 1000

/** A name for a file in progress that tells who writes it. */
export function temporaryName(): string {
  return `.gupper-pack.${place()}.${pid}.${startOf(pid) ?? '0'}.${randomBytes(4).toString('hex')}`
}

/**
 * Deletes what killed packers left in a directory; files of packers that live stay.
 * @throws the system's error
 */
export async function sweep(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, where, id = '', start = ''] = form.exec(name) ?? []
    if (where === undefined) continue
    const path = join(directory, name)
    // Who writes from another machine cannot be seen; nobody packs for a day.
    const ended = where === place() ? !isAlive(Number(id), start) : await isOlder(path, day)
    if (ended) await rm(path, { force: true })
  }
}

async function isOlder(path: string, age: number): Promise<boolean> {
  try {
    return Date.now() - (await stat(path)).mtimeMs > age
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw explain(error, `cannot read ${path}`, true)
  }
}

/** Where process ids mean the same: this machine since it was started, and this container. */
function place(): string {
  const text = [hostname(), read('/proc/sys/kernel/random/boot_id'), namespace()].join(' ')
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

function isAlive(id: number, start: string): boolean {
  const now = startOf(id)
  if (now !== undefined) return now === start
  try {
    kill(id, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process began, in ticks since the machine did (proc(5), stat, field 22); undefined where there is no /proc. */
function startOf(id: number): string | undefined {
  const text = read(`/proc/${id}/stat`)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function namespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return undefined
  }
}
