import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it as base } from 'vitest'
import type { LogLine } from '../../src/logs/log.ts'
import { readLog, type ReadOptions } from '../../src/logs/reader.ts'
import { readStream, type ReadStream } from '../../src/logs/stream.ts'
import type { LogWriter } from '../../src/logs/writer.ts'
import { silent, type Observer } from '../../src/package/observer.ts'

/** A test with a directory of its own, and the place of a log in it. */
export const it = base.extend<{ directory: string; log: string }>({
  directory: async ({ task: _ }, use) => {
    const directory = await mkdtemp(join(tmpdir(), 'gupper-logs-'))
    await use(directory)
    await rm(directory, { recursive: true, force: true })
  },
  log: async ({ directory }, use) => use(join(directory, 'log')),
})

/** All lines of a log, or those asked for. */
export async function linesOf(log: string, options: ReadOptions = {}): Promise<LogLine[]> {
  return Array.fromAsync(readLog(log, options))
}

/** The texts of lines. */
export const textsOf = (lines: readonly LogLine[]): string[] => lines.map(({ line }) => line)

/** The files of a log, the oldest first, each with its bytes. */
export async function filesOf(log: string): Promise<{ name: string; bytes: Buffer }[]> {
  const names = (await readdir(log)).sort(
    (a, b) => (b === 'current' ? 0 : Number(b)) - (a === 'current' ? 0 : Number(a)),
  )
  return Promise.all(names.map(async (name) => ({ name, bytes: await readFile(join(log, name)) })))
}

/** What is in a log's files, one after the other, without the times. */
export async function entriesOf(log: string): Promise<string[]> {
  const all = Buffer.concat((await filesOf(log)).map(({ bytes }) => bytes)).toString('latin1')
  return all.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /gm, '').split('\n')
}

/** Bytes of all files of a log. */
export async function sizeOf(log: string): Promise<number> {
  const sizes = (await readdir(log)).map(async (name) => (await stat(join(log, name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}

/** An entry with a time that does not matter. */
export const entry = (text: string, head = 'stdout F', time = '2026-11-21T06:10:36.123456789Z'): string =>
  `${time} ${head} ${text}\n`

/** Makes a FIFO. */
export function makeFifo(path: string): string {
  execFileSync('mkfifo', [path])
  return path
}

/** Runs work with the program's end of a FIFO, which is closed afterwards. */
export async function holding<T>(fifo: string, work: (fd: number) => T | Promise<T>): Promise<T> {
  const fd = openSync(fifo, constants.O_RDWR)
  try {
    return await work(fd)
  } finally {
    closeSync(fd)
  }
}

/** A program that writes into a FIFO which is read into a log. */
export async function runInto(
  writer: LogWriter,
  fifo: string,
  command: string,
  args: readonly string[],
): Promise<{ program: ChildProcess; exited: Promise<unknown>; reading: ReadStream }> {
  return holding(fifo, (fd) => {
    const reading = readStream(fifo, 'stdout', writer)
    const program = spawn(command, args, { stdio: ['ignore', fd, 'inherit'] })
    return { program, exited: once(program, 'exit'), reading }
  })
}

/** An observer that keeps its warnings. */
export function listening(): { observer: Observer; warnings: string[] } {
  const warnings: string[] = []
  const observer = {
    ...silent,
    warn: (message: string) => void warnings.push(message),
  }
  return { observer, warnings }
}

/** Resolves when a condition that a listener changes holds: `check` is to be called after each change. */
export function condition(holds: () => boolean): { check: () => void; met: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const check = (): void => {
    if (holds()) resolve(undefined)
  }
  return { check, met: promise }
}
