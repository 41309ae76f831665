import { realpath, stat } from 'node:fs/promises'
import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { getuid } from 'node:process'
import { errnoOf } from '../errors.ts'
import { silent, type Observer } from '../package/observer.ts'
import { findVersion } from '../package/version.ts'
import { runGroup } from './process-group.ts'

/** Environment variables for a program that is started. */
export type Environment = Readonly<Record<string, string | undefined>>

const maxOutput = 64 * 1024
const maxTail = 4 * 1024
// A word of its own, or what follows an = or opens a quoted line; '{}' alone stays what it is, for it is also JSON.
const placeholder = /'\{\}'|(?<![^\s;&|(=`'"])("?)\{\}\1(?![^\s;&|)<>`'"/])/g

/**
 * Asks an executable for its version: `--version`, then `-version` when that gave none. The answer is the first thing
 * on stdout that reads as a version, else on stderr. After a non-zero exit only stdout counts, because usage messages
 * on stderr are full of numbers. A program that had to be killed gave no answer, and is not asked a second time.
 * A file that another user may write, or whose directory another user may write, is never started.
 * @param path the executable
 * @param options `deadline` in ms for each question (default 5000); `env` is all the program gets of an environment
 * @returns the full semantic version, or undefined when the file is not a program that tells one
 * @throws the reason of `signal` when that was aborted; nothing else
 */
export async function askVersion(
  path: string,
  options: { deadline?: number; env: Environment; signal?: AbortSignal | undefined; observer?: Observer },
): Promise<string | undefined> {
  const observer = options.observer ?? silent
  const file = await findProgram(path, observer)
  if (file === undefined) return undefined
  for (const flag of ['--version', '-version']) {
    const said = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    let size = 0
    const ended = await runGroup(file, [flag], {
      deadline: options.deadline ?? 5000,
      env: options.env,
      cwd: '/',
      signal: options.signal,
      onOutput: (chunk, stream) => {
        said[stream].push(chunk)
        size += chunk.length
        return size <= maxOutput
      },
    })
    observer.debug(`asked ${path} ${flag}`, { ...ended })
    if (ended.failed !== undefined || ended.killed !== undefined || ended.signal !== undefined)
      return undefined
    const version =
      findVersion(Buffer.concat(said.stdout).toString()) ??
      (ended.code === 0 ? findVersion(Buffer.concat(said.stderr).toString()) : undefined)
    if (version !== undefined) return version
  }
  return undefined
}

// Whoever may write the file, its directory, or the directory of a link to it decides what runs as us.
async function findProgram(path: string, observer: Observer): Promise<string | undefined> {
  try {
    const file = await realpath(path)
    const found = await stat(file)
    if (!found.isFile() || (found.mode & 0o111) === 0) return undefined
    const directories = new Set([dirname(file), await realpath(dirname(resolve(path)))])
    const reason =
      distrust(found, false) ??
      (
        await Promise.all([...directories].map(async (directory) => distrust(await stat(directory), true)))
      ).find((reason) => reason !== undefined)
    if (reason === undefined) return file
    observer.warn(`not asking ${path} for its version: ${reason}`)
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    observer.debug(`cannot ask ${path} for its version`, { error: errnoOf(error) })
  }
  return undefined
}

function distrust(found: { mode: number; uid: number }, directory: boolean): string | undefined {
  const us = getuid?.()
  if (us === undefined) return undefined
  const what = directory ? 'its directory' : 'it'
  if (found.uid !== 0 && found.uid !== us) return `${what} belongs to another user (${found.uid})`
  const sticky = directory && (found.mode & 0o1000) !== 0
  return (found.mode & 0o022) !== 0 && !sticky ? `${what} may be written by others (chmod go-w)` : undefined
}

/** How a check of a new program went; `output` is the last 4 KB of what it said. */
export type CheckResult = { ok: true } | { ok: false; reason: string; output: string }

/**
 * Runs a user's own check of a new program through `sh -c`. The program's path is in the environment variable
 * GUPPER_PROGRAM, and the word `{}` in the command stands for it. No process that the check started in its group outlives it.
 * @param command a shell line, such as `{} --self-test`
 * @param options `path` of the new program; `deadline` in ms; `env` and `cwd` for the shell
 * @throws the reason of `signal` when that was aborted; a check that fails, hangs or cannot start is a result
 */
export async function runCheck(
  command: string,
  options: {
    path: string
    deadline: number
    env: Environment
    cwd: string
    signal?: AbortSignal | undefined
  },
): Promise<CheckResult> {
  let tail = Buffer.alloc(0)
  // The shell itself puts the path in: no quoting of ours that a strange name, or quotes around {}, could break.
  const line = command.replaceAll(placeholder, (word) => (word === "'{}'" ? word : '"$GUPPER_PROGRAM"'))
  const ended = await runGroup('/bin/sh', ['-c', line], {
    deadline: options.deadline,
    env: { ...options.env, GUPPER_PROGRAM: options.path },
    cwd: options.cwd,
    signal: options.signal,
    onOutput: (chunk) => {
      tail = Buffer.concat([tail, chunk]).subarray(-maxTail)
      return true
    },
  })
  if (ended.code === 0) return { ok: true }
  return { ok: false, reason: describe(ended, options.deadline), output: tail.toString().trim() }
}

function describe(ended: Awaited<ReturnType<typeof runGroup>>, deadline: number): string {
  if (ended.failed !== undefined) return `could not be started (${ended.failed})`
  if (ended.killed !== undefined)
    return `did not end within ${deadline >= 1000 ? `${deadline / 1000} s` : `${deadline} ms`}`
  // A shell tells of a signal as 128 + its number.
  const signal = ended.signal ?? signalNames.get((ended.code ?? 0) - 128)
  return signal === undefined ? `exited with ${ended.code ?? 'no status'}` : `killed by ${signal}`
}

const signalNames = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]))
