import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pid } from 'node:process'
import { errnoOf, explain, GupperError } from '../errors.ts'

/**
 * What is particular to this machine, or to this user on it: it decides its place in rollouts. It is made once, in whole;
 * of two processes that make it at once, both get the same. Read while records are chosen, and so without waiting.
 * @param directory where the state is kept; made when missing
 * @returns 32 hexadecimal digits
 * @throws GupperError `cannot-read` (69); `cannot-write`, `no-space` (73)
 */
export function readSeed(directory: string): string {
  const file = join(directory, 'seed')
  const found = readWhole(file)
  if (found !== undefined) return found
  try {
    makeDirectory(directory)
    make(directory, file)
  } catch (error) {
    throw explain(error, `cannot write ${file}`)
  }
  const made = readWhole(file)
  if (made === undefined) throw new GupperError('cannot-write', `cannot write ${file}: it does not stay`)
  return made
}

// As in durable.ts: Node's own recursive mkdir never ends in /proc.
function makeDirectory(path: string): void {
  try {
    mkdirSync(path)
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return
    if (errnoOf(error) !== 'ENOENT' || dirname(path) === path) throw error
    makeDirectory(dirname(path))
    try {
      mkdirSync(path)
    } catch (late) {
      if (errnoOf(late) !== 'EEXIST') throw late
    }
  }
}

function readWhole(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    if (/^[0-9a-f]{32}\n$/.test(text)) return text.trim()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw explain(error, `cannot read ${file}`, true)
  }
  // Damaged: any other place in the queue is as good.
  rmSync(file, { force: true })
  return undefined
}

function make(directory: string, file: string): void {
  const temporary = `${file}.${pid}-${randomBytes(4).toString('hex')}.new`
  const bytes = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(bytes, `${randomBytes(16).toString('hex')}\n`)
    fsyncSync(bytes)
  } finally {
    closeSync(bytes)
  }
  try {
    linkSync(temporary, file)
  } catch (error) {
    // Another process was first, and may have taken ours for a leftover; or the file system has no links.
    if (!['EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) renameSync(temporary, file)
  } finally {
    rmSync(temporary, { force: true })
  }
  // Of those that were killed here; whoever still works on one finds the seed that stands now.
  for (const name of readdirSync(directory))
    if (/^seed\.\d+-[0-9a-f]{8}\.new$/.test(name)) rmSync(join(directory, name), { force: true })
}
