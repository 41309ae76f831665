// Loaded into gupper with --import: kills the process, as kill -9 does, just before its Nth call that changes a disk.
// With KILL_AT=0 it kills nothing and writes the number of such calls to the file KILL_COUNT.
import { writeFileSync } from 'node:fs'
import promises, { type FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const killAt = Number(process.env.KILL_AT)
const countFile = process.env.KILL_COUNT
let calls = 0

function count(): void {
  calls++
  if (calls === killAt) process.kill(process.pid, 'SIGKILL')
}

type Call = (...args: unknown[]) => unknown

function wrap(owner: object, name: string): void {
  const calls = owner as Record<string, Call>
  const real = calls[name]
  if (real === undefined) throw new Error(`there is no ${name} to count`)
  calls[name] = function (this: unknown, ...args: unknown[]): unknown {
    count()
    return real.apply(this, args)
  }
}

for (const name of [
  'rename',
  'link',
  'symlink',
  'unlink',
  'rm',
  'mkdir',
  'copyFile',
  'chmod',
  'lutimes',
  'utimes',
])
  wrap(promises, name)

const open = promises.open
promises.open = async (...args: Parameters<typeof open>): Promise<FileHandle> => {
  if (args[1] !== undefined && args[1] !== 'r') count()
  return open(...args)
}
const probe = await open(import.meta.filename, 'r')
const handles = Object.getPrototypeOf(probe) as object
await probe.close()
for (const name of ['write', 'writeFile', 'sync', 'datasync', 'chmod', 'truncate']) wrap(handles, name)
syncBuiltinESMExports()

if (countFile !== undefined) process.on('exit', () => writeFileSync(countFile, String(calls)))
