import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { it as base } from 'vitest'
import type { Release, Stage } from '../../src/activations/activation.ts'
import { readLog } from '../../src/logs/reader.ts'
import { openLog } from '../../src/logs/writer.ts'
import { silent } from '../../src/package/observer.ts'
import { parseCheck } from '../../src/readiness/parse.ts'
import type { SavedProgram } from '../../src/supervisor/journal.ts'
import type { Program } from '../../src/supervisor/programs/program.ts'
import { Programs } from '../../src/supervisor/programs/programs.ts'
import type { Settings } from '../../src/supervisor/settings.ts'

const deadline = 20_000 // ms

/** Waits until something is so. */
export async function until(is: () => unknown): Promise<void> {
  const end = performance.now() + deadline
  while (!(await is())) {
    if (performance.now() > end) throw new Error(`waited in vain for: ${is.toString()}`)
    await delay(5)
  }
}

/** Programs of a service, with all that they need. */
export interface World {
  directory: string
  programs: Programs
  /** A release that is a script of sh. */
  release(version: string, ...lines: string[]): Promise<Release>
  /** What a way has of the supervisor. */
  stage(settings?: Partial<Pick<Stage<Program>, 'listen' | 'grace' | 'drain'>>): Stage<Program>
  /** All that was logged, by stream. */
  logged(): Promise<string[]>
}

/** How the programs of a world are started. */
export interface WorldOptions {
  command?: readonly string[]
  ready?: string
  env?: Record<string, string>
}

/** A test with a directory of its own, and programs that are gone when it is done. */
export const it = base.extend<{
  directory: string
  open: (options?: WorldOptions) => Promise<World>
}>({
  directory: async ({ task: _ }, use) => {
    const directory = await mkdtemp(join(tmpdir(), 'gupper-supervisor-'))
    await use(directory)
    await rm(directory, { recursive: true, force: true })
  },
  open: async ({ directory }, use) => {
    const closing: (() => Promise<void>)[] = []
    await use(async (options) => {
      const { world, close } = await openWorld(directory, options)
      closing.push(close)
      return world
    })
    for (const close of closing) await close()
  },
})

async function openWorld(
  directory: string,
  { command, ready, env }: WorldOptions = {},
): Promise<{ world: World; close: () => Promise<void> }> {
  const target = join(directory, 'app')
  const log = await openLog(join(directory, 'log'))
  const programs = new Programs({
    settings: { name: 'test', target, command: command ?? [target] } as unknown as Settings,
    directory: join(directory, 'keeper'),
    log,
    check: ready === undefined ? undefined : parseCheck(ready),
    env: { PATH: process.env.PATH, ...env },
    cwd: directory,
    observer: silent,
  })
  const world: World = {
    directory,
    programs,
    async release(version, ...lines) {
      const path = join(directory, version, 'app')
      await mkdir(join(directory, version), { recursive: true })
      await writeFile(path, ['#!/bin/sh', `V=${version}`, ...lines, ''].join('\n'), { mode: 0o755 })
      return { version, path, slot: version, digest: `sha256:${version}` }
    },
    stage: (settings) => ({
      ...{ grace: 5000, drain: 5000, env: { PATH: process.env.PATH }, cwd: directory },
      ...{ listen: undefined, signal: new AbortController().signal, ...settings },
      start: (release, plan) => programs.start(release, plan),
    }),
    async logged() {
      const lines = await Array.fromAsync(readLog(join(directory, 'log')))
      return lines.map(({ stream, line }) => `${stream}: ${line}`)
    },
  }
  const close = async (): Promise<void> => {
    await programs.killOthers([])
    await programs.close()
    await log.close()
  }
  return { world, close }
}

/** A program as it is written down. */
export function saved(id: string, release: Release): SavedProgram {
  return { id, release, pid: 1, started: 'x', since: '2026-11-21T00:00:00Z' }
}

/** What a script says when it has started: it has set its traps by then. */
export const up = 'echo up'

/** Waits until a program has said so. */
export async function isUp(...programs: Program[]): Promise<void> {
  for (const program of programs) await until(() => program.lastLines().includes('up'))
}
