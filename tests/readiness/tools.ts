import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished } from 'vitest'
import { silent, type Observer } from '../../src/package/observer.ts'
import type { Candidate, Check, PreparedCheck } from '../../src/readiness/check.ts'
import { parseCheck } from '../../src/readiness/parse.ts'

/** A check that was made ready, and a program that was started for it. */
export interface Trial {
  prepared: PreparedCheck
  candidate: Candidate
}

/** Makes a directory that is gone after the test. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gupper-readiness-'))
  onTestFinished(async () => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Starts a shell script as a launcher does: with its files open for reading and writing. */
export async function tryOut(
  check: Check | string,
  script: string,
  given: Partial<Candidate> = {},
  observer: Observer = silent,
): Promise<Trial> {
  const directory = await makeDirectory()
  const prepared = await (typeof check === 'string' ? parseCheck(check) : check).prepare(directory, observer)
  onTestFinished(async () => prepared.close())
  const { env, fds } = prepared.inherit
  const files = Object.entries(fds).map(([fd, path]) => `${fd}<>'${path}'`)
  const child = spawn('/bin/sh', ['-c', `exec ${files.join(' ')}\n${script}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ...env },
    detached: true,
  })
  const { pid } = child
  if (pid === undefined) throw new Error('no shell')
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // it has ended, and all of its group
    }
    await ended
  })
  const lines: string[] = []
  const listeners = new Set<(line: string) => void>()
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line)
    for (const listener of listeners) listener(line)
  })
  const candidate: Candidate = {
    pid,
    version: '1.2.0',
    env: { PATH: process.env.PATH },
    cwd: directory,
    onLine(listener) {
      lines.forEach(listener)
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    ...given,
  }
  return { prepared, candidate }
}

/** Waits as long as it takes, within the test's own deadline. */
export async function wait({ prepared, candidate }: Trial): Promise<void> {
  await prepared.wait(candidate, new AbortController().signal)
}

/** A signal that is aborted by a deadline, when it is told so. */
export function makeDeadline(): { signal: AbortSignal; pass: () => void } {
  const controller = new AbortController()
  return { signal: controller.signal, pass: () => controller.abort(new DOMException('late', 'TimeoutError')) }
}

/** Lets a deadline pass, and expects the reason that holds from the start. */
export async function expectNever({ prepared, candidate }: Trial, reason: RegExp): Promise<void> {
  await expect(prepared.wait(candidate, AbortSignal.timeout(200))).rejects.toMatchObject({
    code: 'not-ready',
    message: expect.stringMatching(reason) as string,
  })
}
