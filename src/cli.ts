import path from 'node:path'
import type { Stopped as StoppedClass, Context } from './commands/command.ts'
import { verbs, type Verb } from './commands/index.ts'
import { version } from './version.ts'

/** The one place that touches `process`: arguments, streams, signals, exit status. */
async function main(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--version' || first === '-V' || first === 'version') return print(`${version}\n`)
  if (first === '--help' || first === '-h' || first === 'help') return help(rest)
  if (first === undefined)
    return (await import('./commands/help.ts')).overview(process.stderr, verbs, version, 64)

  const verb = verbs.find(({ name }) => name === first)
  if (!verb) return complain(`there is no verb "${first}"`, 'gupper --help lists the verbs')
  return runVerb(verb, argv)
}

async function help(words: readonly string[]): Promise<number> {
  const [word, ...more] = words
  const pages = await import('./commands/help.ts')
  if (word === undefined || word.startsWith('-')) return pages.overview(process.stdout, verbs, version, 0)
  if (word === 'exit-codes') return pages.exitCodes(process.stdout, isTerminal(process.stdout))
  const verb = verbs.find(({ name }) => name === word)
  if (!verb) return complain(`there is no verb "${word}"`, 'gupper --help lists the verbs')
  return runVerb(verb, [word, ...more, '--help'])
}

async function runVerb(verb: Verb, argv: readonly string[]): Promise<number> {
  const dashes = verb.takesCommand ? argv.indexOf('--') : -1
  const own = dashes < 0 ? argv : argv.slice(0, dashes)
  const { Cli, UsageError, Stopped } = await import('./commands/command.ts')
  const { commands } = await verb.load()

  const cli = Cli.from<Context>([...commands], {
    binaryName: 'gupper',
    binaryVersion: version,
    enableColors: colors(),
  })
  const ends = own.indexOf('--')
  const asked = (ends < 0 ? own : own.slice(0, ends)).some((word) => word === '--help' || word === '-h')
  if (asked) return print((await import('./commands/help.ts')).usage(commands, own))

  const context = makeContext(dashes < 0 ? undefined : argv.slice(dashes + 1), Stopped)
  let command
  try {
    command = cli.process([...own], context)
  } catch (thrown) {
    // Every complaint about arguments, in clipanion's words without its colours and its list of all the syntaxes.
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const known = thrown instanceof UsageError || (thrown instanceof Error && 'clipanion' in thrown)
    if (!known) throw thrown
    return complain(firstLine(message), `gupper ${verb.name} --help`, verb.name)
  }
  return cli.run(command, context)
}

function firstLine(message: string): string {
  const plain = message.replace(/\u001b\[[0-9;]*m/g, '')
  const [line = ''] = plain.split(/\.?\n/)
  return line.charAt(0).toLowerCase() + line.slice(1)
}

/** A usage error before any verb could take over: to people on stderr, and down the pipe as a failure. */
async function complain(message: string, hint: string, step = 'gupper'): Promise<number> {
  const { GupperError } = await import('./errors.ts')
  const { toFailure } = await import('./package/record.ts')
  process.stderr.write(`gupper${step === 'gupper' ? '' : ` ${step}`}: ${message}\n  hint: ${hint}\n`)
  if (!isTerminal(process.stdout))
    process.stdout.write(`${JSON.stringify(toFailure(step, new GupperError('usage', message, { hint })))}\n`)
  return 64
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

// For a pipe or a file Node leaves isTTY undefined, whatever its types say.
function isTerminal(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true
}

function colors(): boolean {
  return isTerminal(process.stdout) && wantsColor()
}

// https://no-color.org: present and not empty.
function wantsColor(): boolean {
  return !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

function makeContext(command: readonly string[] | undefined, Stopped: typeof StoppedClass): Context {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    colorDepth: (isTerminal(process.stdout) || isTerminal(process.stderr)) && wantsColor() ? 8 : 1,
    signal: watchSignals(Stopped),
    terminal: {
      stdin: isTerminal(process.stdin),
      stdout: isTerminal(process.stdout),
      stderr: isTerminal(process.stderr),
      columns: process.stderr.columns || 80,
    },
    command,
    exec,
  }
}

function watchSignals(Stopped: typeof StoppedClass): AbortSignal {
  const controller = new AbortController()
  for (const [signal, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    // Once: the second one of a kind ends the process the hard way.
    process.once(signal, () => controller.abort(new Stopped(signal, number)))
  }
  return controller.signal
}

function exec(file: string, args: readonly string[], env: Record<string, string | undefined>): never {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
  if (!process.execve) throw new Error('this system has no execve')
  // What Node changed of a process must not be inherited: ignored signals (a caught one is reset by exec), and streams
  // that do not block.
  for (const signal of ['SIGPIPE', 'SIGXFSZ'] as const) process.on(signal, () => undefined)
  for (const stream of [process.stdin, process.stdout, process.stderr]) setBlocking(stream)
  return process.execve(file, [...args], Object.fromEntries(entries))
}

function setBlocking(stream: object): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (on: boolean) => void } }
  handle?.setBlocking?.(true)
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `| head -1` has seen enough: that is no failure of ours.
  if (error.code !== 'EPIPE') {
    process.stderr.write(`gupper: cannot write to standard output: ${error.message}\n`)
    process.exitCode = 73
  }
})
process.stderr.on('error', () => undefined)

try {
  const status = await main(process.argv.slice(2))
  process.exitCode ??= status
} catch (thrown) {
  const { GupperError } = await import('./errors.ts')
  const bug = !(thrown instanceof GupperError)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  process.stderr.write(`gupper: ${bug ? 'a bug: ' : ''}${message}\n`)
  if (bug && process.argv.includes('--verbose') && thrown instanceof Error)
    process.stderr.write(`${thrown.stack ?? ''}\n`.replaceAll(path.sep + path.sep, path.sep))
  process.exitCode = bug ? 70 : thrown.exit
}
// A reader that is done must not wait for a writer that never ends.
process.stdin.destroy()
