// kill -9 before each call that changes the disk, and what the next run makes of it.
import { cp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { expect } from 'vitest'
import { program } from '../attacks/hostile.ts'
import { filesIn, makeDir } from './tools.ts'

const root = path.join(import.meta.dirname, '../..')
const hook = path.join(root, 'tests/chaos/kill-at.ts')

/** Before every how many of the calls a run is killed; STRIDE=1 leaves none out. */
export const every = Number(process.env.STRIDE ?? 5)

/** What a run came to; `count` is how many calls changed the disk, where they were counted. */
export interface Run {
  exitCode: number | undefined
  stderr: string
  signal: string | undefined
  count: number
}

/** Runs gupper in a directory; killed before its call number `at`, or with 0 counted. */
export async function run(dir: string, args: readonly string[], at?: number): Promise<Run> {
  const count = path.join(dir, 'count')
  const node = at === undefined ? [] : ['--import', hook]
  const done = await execa(process.execPath, [...node, program, ...args], {
    cwd: dir,
    reject: false,
    env: at === undefined ? {} : { KILL_AT: String(at), KILL_COUNT: count },
  })
  const { exitCode, stderr, signal } = done
  return { exitCode, stderr, signal, count: at === 0 ? Number(await readFile(count, 'utf8')) : 0 }
}

/** Copies a directory into one of its own. */
export async function copyDir(from: string): Promise<string> {
  const dir = await makeDir()
  await cp(from, dir, { recursive: true })
  return dir
}

/**
 * Kills a run in copies of a directory before its calls; holds that the next run ends well, with the files of one that was
 * never killed.
 * @param killed looks at a copy right after the kill
 * @param finished looks at a copy after a run that ended well
 */
export async function killEverywhere(
  start: string,
  args: readonly string[],
  {
    killed,
    finished = () => Promise.resolve(),
    stride = every,
  }: {
    killed: (dir: string) => Promise<void>
    finished?: (dir: string) => Promise<void>
    stride?: number
  },
): Promise<void> {
  const whole = await copyDir(start)
  const { exitCode, stderr, count } = await run(whole, args, 0)
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  await finished(whole)
  const wanted = (await filesIn(whole)).filter((file) => file !== 'count')
  expect(count).toBeGreaterThan(10)
  for (let at = 1; at <= count; at += stride) {
    const there = await copyDir(start)
    const cut = await run(there, args, at)
    expect(cut.signal, `call ${at}: ${cut.stderr}`).toBe('SIGKILL')
    await killed(there)
    const next = await run(there, args)
    expect({ at, status: next.exitCode, stderr: next.stderr }).toMatchObject({ at, status: 0 })
    await finished(there)
    expect(await filesIn(there), `after a kill before call ${at}`).toEqual(wanted)
  }
}
