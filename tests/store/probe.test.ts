import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getuid, kill } from 'node:process'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silent } from '../../src/package/observer.ts'
import { askVersion, runCheck } from '../../src/store/probe.ts'

const env = { PATH: '/usr/local/bin:/usr/bin:/bin' }
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gupper-probe-'))
})
afterEach(async () => {
  await rm(directory, { recursive: true })
})

async function script(body: string, name = 'app', mode = 0o755): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, `#!/bin/sh\n${body}\n`)
  await chmod(path, mode)
  return path
}

async function pidIn(file: string): Promise<number> {
  return Number(await readFile(join(directory, file), 'utf8'))
}

// A killed orphan is reaped by init a moment later; until then it is a zombie, which runs no more.
async function isRunning(pid: number): Promise<boolean> {
  try {
    kill(pid, 0)
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z')
    return !/\) [ZX]/.test(state)
  } catch {
    return false
  }
}

describe('asking for a version', () => {
  it('takes what --version prints on stdout', async () => {
    expect(await askVersion(await script('echo "app $1 v1.9.3 linux"'), { env })).toBe('1.9.3')
  })

  it('asks -version when --version is not understood, and does not take numbers from the usage message', async () => {
    const path = await script(
      'case $1 in -version) echo 2.1;; *) echo "listens on 127.0.0.1, go 1.22" >&2; exit 2;; esac',
    )
    expect(await askVersion(path, { env })).toBe('2.1.0')
  })

  it('reads stderr after a clean exit, stdout first', async () => {
    expect(await askVersion(await script('echo "java 17.0.2" >&2'), { env })).toBe('17.0.2')
    expect(await askVersion(await script('echo "lib 9.9.9" >&2; echo 1.2.3'), { env })).toBe('1.2.3')
  })

  it('takes a version from stdout even when the exit status is not 0', async () => {
    expect(await askVersion(await script('echo 3.2.1; exit 1'), { env })).toBe('3.2.1')
  })

  it('gets no answer from a program that names no version, fails, or is killed', async () => {
    expect(await askVersion(await script('echo hello'), { env })).toBeUndefined()
    expect(await askVersion(await script('echo "need 1.2.3" >&2; exit 1'), { env })).toBeUndefined()
    expect(await askVersion(await script('echo 1.2.3; kill -SEGV $$'), { env })).toBeUndefined()
  })

  it('gets no answer from what is no program', async () => {
    expect(await askVersion(directory, { env })).toBeUndefined()
    expect(await askVersion(join(directory, 'nothing'), { env })).toBeUndefined()
    expect(await askVersion(await script('echo 1.2.3', 'data', 0o644), { env })).toBeUndefined()
    const garbage = join(directory, 'garbage')
    await writeFile(garbage, Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 2, 3, 0, 0, 0]), { mode: 0o755 })
    expect(await askVersion(garbage, { env })).toBeUndefined()
  })

  it('kills the whole group at the deadline and does not ask a second time', async () => {
    const path = await script(
      `echo "$1" >>"${directory}/asked"; sleep 600 & echo $! >"${directory}/grandchild"; wait`,
    )
    expect(await askVersion(path, { env, deadline: 300 })).toBeUndefined()
    await expect.poll(async () => isRunning(await pidIn('grandchild'))).toBe(false)
    expect(await readFile(join(directory, 'asked'), 'utf8')).toBe('--version\n')
  })

  it('stops a program that floods its output', async () => {
    expect(await askVersion(await script('yes 1.2.3'), { env, deadline: 60_000 })).toBeUndefined()
  })

  it('does not wait for a grandchild that left the group and holds the pipe', async () => {
    const path = await script(
      `setsid sh -c 'echo $$ >escaped; exec sleep 600' & until test -s escaped; do :; done; echo 1.2.3`.replaceAll(
        'escaped',
        `"${directory}/escaped"`,
      ),
    )
    expect(await askVersion(path, { env, deadline: 60_000 })).toBe('1.2.3')
    const escaped = await pidIn('escaped')
    if (await isRunning(escaped)) kill(escaped, 'SIGKILL')
  })

  it('kills the group and throws when the caller is aborted', async () => {
    const path = await script(
      `echo $$ >"${directory}/pid.new"; mv "${directory}/pid.new" "${directory}/pid"; sleep 600`,
    )
    const abort = new AbortController()
    const asked = expect(askVersion(path, { env, deadline: 20_000, signal: abort.signal })).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }) as Error,
    )
    await expect.poll(() => pidIn('pid').catch(() => 0), { timeout: 10_000 }).toBeGreaterThan(0)
    abort.abort()
    await asked
    await expect.poll(async () => isRunning(await pidIn('pid'))).toBe(false)
  })

  it('gives the program the given environment only, / as its directory, and an empty stdin', async () => {
    const path = await script(`{ env; pwd; cat; } >"${directory}/seen"; echo 1.2.3`)
    expect(await askVersion(path, { env: { ...env, ONLY: 'this' } })).toBe('1.2.3')
    const seen = await readFile(join(directory, 'seen'), 'utf8')
    expect(seen).toContain('ONLY=this')
    expect(seen).not.toContain('HOME=')
    expect(seen.trimEnd().split('\n').at(-1)).toBe('/')
  })

  it('works with names that a shell would trip over', async () => {
    const path = await script('echo 1.2.3', `it's "a" $(touch x) naïve\nname`)
    expect(await askVersion(path, { env })).toBe('1.2.3')
  })

  describe('refuses, with a warning and without starting it,', () => {
    async function refusal(path: string): Promise<string> {
      const warnings: string[] = []
      const observer = { ...silent, warn: (message: string) => void warnings.push(message) }
      expect(await askVersion(path, { env, observer })).toBeUndefined()
      await expect(readFile(join(directory, 'ran'))).rejects.toThrow('ENOENT')
      return warnings.join('\n')
    }
    const body = (): string => `touch "${directory}/ran"; echo 1.2.3`

    it.each([0o757, 0o775])('a file of mode %o', async (mode) => {
      expect(await refusal(await script(body(), 'app', mode))).toMatch(/app.*it may be written by others/)
    })

    it('a file in a directory that others may write', async () => {
      const path = await script(body())
      await chmod(directory, 0o777)
      expect(await refusal(path)).toMatch(/its directory may be written by others/)
    })

    it('a link that lies in a directory that others may write', async () => {
      await script(body())
      await mkdir(join(directory, 'open'))
      await chmod(join(directory, 'open'), 0o777)
      await symlink('../app', join(directory, 'open', 'link'))
      expect(await refusal(join(directory, 'open', 'link'))).toMatch(/its directory may be written by others/)
    })

    it.skipIf(getuid?.() !== 0)('a file of another user (needs root to make one)', async () => {
      const { chown } = await import('node:fs/promises')
      const path = await script(body())
      await chown(path, 12345, 12345)
      expect(await refusal(path)).toMatch(/it belongs to another user \(12345\)/)
    })
  })

  it('allows a sticky directory, where others cannot replace the file', async () => {
    const path = await script('echo 1.2.3')
    await chmod(directory, 0o1777)
    expect(await askVersion(path, { env })).toBe('1.2.3')
  })
})

describe('checking a new program', () => {
  const check = (command: string, deadline = 20_000, path = '/bin/true') =>
    runCheck(command, { path, deadline, env, cwd: directory })

  it('runs the command through the shell, in the given directory', async () => {
    expect(await check('test "$(pwd)" = "$(pwd -P)" && echo done >here')).toEqual({ ok: true })
    expect(await readFile(join(directory, 'here'), 'utf8')).toBe('done\n')
  })

  it.each([
    '{} --ok',
    '"{}" --ok',
    'true;{} --ok',
    '$GUPPER_PROGRAM_UNSET"$GUPPER_PROGRAM" --ok',
    `sh -c '{} --ok'`,
  ])('puts a strange path into %s', async (command) => {
    const path = await script('test "$1" = --ok', `it's "a" $(touch x) & naïve`)
    expect(await check(command, 20_000, path)).toEqual({ ok: true })
  })

  it('leaves {} in single quotes and inside words as it is', async () => {
    expect(await check(`test '{}' = "{""}" && test a{}b = "a{""}b"`)).toEqual({ ok: true })
  })

  it('says with what status it ended, and what it said', async () => {
    expect(await check('echo broken; echo badly >&2; exit 3')).toEqual({
      ok: false,
      reason: 'exited with 3',
      output: 'broken\nbadly',
    })
  })

  it.each(['kill -SEGV $$', 'sh -c "kill -SEGV \\$\\$"; exit $?'])(
    'names the signal that ended it: %s',
    async (command) => {
      expect(await check(command)).toMatchObject({ ok: false, reason: 'killed by SIGSEGV' })
    },
  )

  it('kills it at the deadline, grandchildren too', async () => {
    const result = await check('sleep 600 & echo $! >grandchild; echo waiting; wait', 400)
    expect(result).toEqual({ ok: false, reason: 'did not end within 400 ms', output: 'waiting' })
    await expect.poll(async () => isRunning(await pidIn('grandchild'))).toBe(false)
  })

  it('leaves no grandchild behind when it succeeds', async () => {
    expect(await check('sleep 600 & echo $! >grandchild')).toEqual({ ok: true })
    await expect.poll(async () => isRunning(await pidIn('grandchild'))).toBe(false)
  })

  it('keeps the last 4 KB of what it said', async () => {
    const result = await check('seq 1 100000; exit 1')
    expect(result.ok || result.output.length).toBeLessThanOrEqual(4096)
    expect(!result.ok && result.output.endsWith('99999\n100000')).toBe(true)
  })

  it('says when it could not be started', async () => {
    const result = await runCheck('true', {
      path: '/bin/true',
      deadline: 1000,
      env,
      cwd: join(directory, 'gone'),
    })
    expect(result).toMatchObject({ ok: false, reason: 'could not be started (ENOENT)' })
  })
})
