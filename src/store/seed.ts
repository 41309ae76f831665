import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { pid } from 'node:process'
import { errnoOf, explain } from '../errors.ts'

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
    mkdirSync(directory, { recursive: true })
    make(directory, file)
  } catch (error) {
    throw explain(error, `cannot write ${file}`)
  }
  return readWhole(file) ?? readSeed(directory)
}

function readWhole(file: string): string | undefined {
  try {
    const text = readFileSync(file, 'utf8')
    if (/^[0-9a-f]{32}\n$/.test(text)) return text.trim()
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
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
    // Another process was first, and may have taken ours for a leftover.
    if (!['EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  // Of those that were killed here; whoever still works on one finds the seed that stands now.
  for (const name of readdirSync(directory))
    if (/^seed\.\d+-[0-9a-f]{8}\.new$/.test(name)) rmSync(join(directory, name), { force: true })
}
