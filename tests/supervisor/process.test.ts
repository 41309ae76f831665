import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished } from 'vitest'
import {
  findGroup,
  findMarked,
  identify,
  isAlive,
  killAll,
  measureGroup,
  signalTo,
} from '../../src/supervisor/programs/process.ts'
import { it, until } from './tools.ts'

/** Runs a line of sh in a group of its own; `first` is the first line that it writes. */
async function run(
  script: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; pid: number; first: string }> {
  const child = spawn('/bin/sh', ['-c', script], {
    ...{ detached: true, stdio: ['ignore', 'pipe', 'ignore'], env: { PATH: process.env.PATH, ...env } },
  })
  const pid = child.pid ?? 0
  onTestFinished(() => void signalTo(-pid, 'SIGKILL'))
  const chunk = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve))
  return { child, pid, first: chunk.toString().trim() }
}

const sleeps = 'echo up; exec sleep 1000'

describe('a process', () => {
  it('is known by its number and the moment of its start', async () => {
    const { child, pid } = await run(sleeps)
    const found = identify(pid)
    expect(found).toEqual({ pid, started: expect.stringMatching(/^[0-9a-f-]{36}\/\d+$/) as string })
    expect(found && isAlive(found)).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(found && isAlive(found)).toBe(false)
    expect(identify(pid)).toBeUndefined()
  })

  it('is not another that has its number now', async () => {
    const { pid } = await run(sleeps)
    const { started = '' } = identify(pid) ?? {}
    const [boot = '', ticks] = started.split('/')
    expect(isAlive({ pid, started: `${boot}/${Number(ticks) - 1}` })).toBe(false)
    expect(isAlive({ pid, started: `another-boot/${ticks ?? ''}` })).toBe(false)
  })

  it('is gone when only its exit status is left', async () => {
    // Its parent becomes a program that never asks for it.
    const { first } = await run(
      'sh -c "until grep -q sleep /proc/$$/comm; do :; done; exit 3" & echo $!; exec sleep 1000',
    )
    const zombie = Number(first)
    await until(async () => (await readFile(`/proc/${zombie}/stat`, 'utf8')).includes(') Z '))
    expect(identify(zombie)).toBeUndefined()
    expect(signalTo(zombie, 0)).toBe(true)
  })

  it('may have any name', async ({ directory }) => {
    const path = join(directory, 'a) Z 1 (b')
    await copyFile('/bin/sleep', path)
    const { pid } = await run('echo up; exec "$NAMED" 1000', { NAMED: path })
    await until(async () => (await readFile(`/proc/${pid}/comm`, 'utf8')).startsWith('a) Z 1 (b'))
    expect(identify(pid)?.started).toMatch(/\/\d+$/)
    expect(await findGroup(pid)).toEqual([pid])
  })

  it('that does not exist gets no signal', () => {
    expect(signalTo(2 ** 30, 'SIGTERM')).toBe(false)
    expect(identify(2 ** 30)).toBeUndefined()
  })
})

describe('a group of processes', () => {
  it('holds those that are alive, and no zombies', async () => {
    const { pid, first } = await run(
      'sleep 1000 & one=$!; sh -c "until grep -q sleep /proc/$$/comm; do :; done; exit 3" & echo $one $!; exec sleep 1000',
    )
    const [child = 0, zombie = 0] = first.split(' ').map(Number)
    await until(async () => (await readFile(`/proc/${zombie}/stat`, 'utf8')).includes(') Z '))
    expect((await findGroup(pid)).sort()).toEqual([pid, child].sort())
    expect(await measureGroup(pid)).toBeGreaterThan(4096)
    signalTo(-pid, 'SIGKILL')
    await until(async () => (await findGroup(pid)).length === 0)
  })
})

describe('a mark in the environment', () => {
  it('finds a process in a session of its own, and those that are like it not', async () => {
    const mark = `GUPPER_TEST_MARK=${process.pid}`
    const [name = '', value = ''] = mark.split('=')
    const { pid } = await run(sleeps, { [name]: value })
    const other = await run(sleeps, { [name]: `${value}0`, OTHER: mark })
    expect(await findMarked(mark)).toEqual([pid])
    expect(await killAll(() => findMarked(mark))).toBe(true)
    expect(identify(pid)).toBeUndefined()
    expect(identify(other.pid)).toBeDefined()
  })
})
