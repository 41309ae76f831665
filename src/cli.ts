import type { Stopped as StoppedClass, Context } from './commands/command.ts'
import { version } from './version.ts'

/** The one place that touches `process`: arguments, streams, signals, exit status. */
async function main(argv: readonly string[]): Promise<number> {
  const [first] = argv
  if (first === '--version' || first === '-V' || first === 'version') {
    process.stdout.write(`${version}\n`)
    return 0
  }
  // All else is behind this one door, so that asking for the version loads nothing.
  const { run, Stopped } = await import('./commands/program.ts')
  return run(argv, {
    stdout: process.stdout,
    stderr: process.stderr,
    terminal: isTerminal(process.stdout),
    colors: isTerminal(process.stdout) && wantsColor(),
    makeContext: (command, words) => makeContext(command, words, Stopped),
  })
}

// For a pipe or a file Node leaves isTTY undefined, whatever its types say.
function isTerminal(stream: { isTTY?: boolean }): boolean {
  return stream.isTTY === true
}

// https://no-color.org: present and not empty.
function wantsColor(): boolean {
  return !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

function makeContext(
  command: readonly string[] | undefined,
  words: readonly string[],
  Stopped: typeof StoppedClass,
): Context {
  return {
    stdin: openStdin(),
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
    words,
    exec,
    takeSignal,
    unblock: () => [process.stdout, process.stderr].forEach((stream) => setBlocking(stream, false)),
    abandon: () => [process.stdout, process.stderr].forEach(abandon),
  }
}

// What it did before, which is to stop the verb, it does no more.
function takeSignal(signal: NodeJS.Signals, listener: () => void): void {
  process.removeAllListeners(signal)
  process.on(signal, listener)
}

// For a directory Node has an empty stream, and nobody would learn of the mistake; reading it tells.
function openStdin(): Context['stdin'] {
  const fs = process.getBuiltinModule('node:fs')
  if (!fs.fstatSync(0).isDirectory()) return process.stdin
  return fs.createReadStream('', { fd: 0, autoClose: false })
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
  for (const stream of [process.stdin, process.stdout, process.stderr]) setBlocking(stream, true)
  return process.execve(file, [...args], Object.fromEntries(entries))
}

// Node never closes these two by itself, and what is unwritten keeps the process.
function abandon(stream: { writableLength: number }): void {
  const { _handle: handle } = stream as { _handle?: { close?: () => void } }
  if (stream.writableLength > 0) handle?.close?.()
}

function setBlocking(stream: object, on: boolean): void {
  const { _handle: handle } = stream as { _handle?: { setBlocking?: (on: boolean) => void } }
  handle?.setBlocking?.(on)
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // `| head -1` has seen enough: that is no failure of ours. Nor is what was given up.
  if (error.code !== 'EPIPE' && error.code !== 'ECANCELED') {
    process.stderr.write(`gupper: cannot write to standard output: ${error.message}\n`)
    process.exitCode = 73
  }
})
process.stderr.on('error', () => undefined)

try {
  const status = await main(process.argv.slice(2))
  process.exitCode ??= status
} catch (thrown) {
  const { GupperError } = await import('./commands/program.ts')
  const bug = !(thrown instanceof GupperError)
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  process.stderr.write(`gupper: ${bug ? 'a bug: ' : ''}${message}\n`)
  if (bug && process.argv.includes('--verbose') && thrown instanceof Error)
    process.stderr.write(`${thrown.stack ?? ''}\n`)
  process.exitCode = bug ? 70 : thrown.exit
}
// A reader that is done must not wait for a writer that never ends.
process.stdin.destroy()
