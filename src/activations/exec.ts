import { access, constants, open, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { GupperError, errnoOf } from '../errors.ts'
import type { Items } from '../package/flow.ts'
import { isFailure, type Item } from '../package/record.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** What execve is called with. */
export interface Exec {
  file: string
  args: readonly string[]
}

// A fresh standard input and the limit on open files that this process was started with; `exec` keeps the PID.
const script = '[ -z "$1" ] || ulimit -S -n "$1"; input=$2; shift 2; exec "$@" <"$input"'
const scriptKeepingInput = '[ -z "$1" ] || ulimit -S -n "$1"; shift 2; exec "$@"'

/**
 * Prepares to become another program, so that all that can fail has failed before: the command is found and may be run.
 * @param command the program, looked up in PATH unless it holds a slash, and its arguments
 * @param options `cleanInput`: standard input is a pipe of records and is replaced by the terminal or /dev/null;
 *   `parent`: the process whose limit on open files is right, since Node raises its own
 * @throws GupperError `usage` when there is no such program
 */
export async function prepareExec(
  command: readonly string[],
  options: { env: Environment; cwd: string; cleanInput: boolean; parent: number },
): Promise<Exec> {
  const [name, ...args] = command
  if (name === undefined || name === '')
    throw new GupperError('usage', 'no command is given', { hint: 'e.g.: gupper reexec -- ./app --serve' })
  const file = await findProgram(name, options)
  const input = options.cleanInput ? await cleanInput() : ''
  const limit = await openFilesOf(options.parent)
  // Not `name` itself, should it start with a dash; the program still sees the name it was called by.
  const shell = input === '' ? scriptKeepingInput : script
  return { file: '/bin/sh', args: ['sh', '-c', shell, 'sh', limit, input, file, ...args] }
}

async function findProgram(name: string, { env, cwd }: { env: Environment; cwd: string }): Promise<string> {
  if (name.includes('/')) {
    const file = path.resolve(cwd, name)
    const reason = await whyNot(file)
    if (reason === undefined) return name.startsWith('-') ? file : name
    throw new GupperError('usage', `cannot run ${name}: ${reason}`, { hint: 'check the command after --' })
  }
  for (const directory of (env.PATH ?? '/usr/local/bin:/usr/bin:/bin').split(':')) {
    const file = path.resolve(cwd, directory, name)
    if ((await whyNot(file)) === undefined) return file
  }
  throw new GupperError('usage', `cannot run ${name}: it is not in PATH`, {
    hint: 'write ./NAME for one that is here',
  })
}

async function whyNot(file: string): Promise<string | undefined> {
  try {
    if (!(await stat(file)).isFile()) return 'it is not a file'
    await access(file, constants.X_OK)
    return undefined
  } catch (error) {
    return errnoOf(error) === 'EACCES' ? 'it may not be executed' : 'there is no such file'
  }
}

// The terminal that this was started from, if there is one: a program may want to ask its user.
async function cleanInput(): Promise<string> {
  try {
    await (await open('/dev/tty', 'r')).close()
    return '/dev/tty'
  } catch {
    return '/dev/null'
  }
}

async function openFilesOf(pid: number): Promise<string> {
  const limits = await readFile(`/proc/${pid}/limits`, 'utf8').catch(() => '')
  return /^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? ''
}

/** What became of the records that a `reexec` read. */
export interface Outcome {
  /** Whether some record says that something was changed. */
  changed: boolean
  /** The first failure's exit status, or 0. */
  status: number
  items: readonly Item[]
}

/**
 * Reads what the pipe did: to its end, or to the first change in a stream that has none (`watch`).
 * @param items what `install` wrote
 */
export async function readOutcome(items: Items): Promise<Outcome> {
  const read: Item[] = []
  let changed = false
  let status = 0
  for await (const item of items) {
    read.push(item)
    if (isFailure(item)) status ||= item.error.exit
    else if (item.installed?.changed === true) changed = true
    if (changed && 'watched' in item) break
  }
  return { changed, status, items: read }
}
