import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { writeLaunch } from '../../src/supervisor/programs/keeper-script.ts'
import { it } from './tools.ts'

const id = '0123456789ab'
const show = [process.execPath, '-e', 'console.log(JSON.stringify(process.env))']

/** Runs the script of a program as a waiter does, but with any shell; the environment is what the program was given. */
async function launch(
  directory: string,
  env: Record<string, string>,
  shell: readonly string[] = ['/bin/sh'],
): Promise<{ script: string; got: Record<string, string> }> {
  await mkdir(join(directory, id))
  const script = writeLaunch({ id, cwd: '/', command: show, env, socket: false, pipes: {} })
  const path = join(directory, id, 'launch')
  await writeFile(path, script.replace('/bin/sh "$0"', `${shell.join(' ')} "$0"`))
  const pipe = 'pipe' as const
  const [file = '', ...words] = shell
  spawnSync(file, [...words, path, ''], {
    ...{ cwd: directory, stdio: [pipe, pipe, pipe, pipe, pipe, pipe] },
    env: { PATH: process.env.PATH, OF_KEEPER: 'x' },
  })
  const got = JSON.parse(await readFile(join(directory, id, 'out'), 'utf8')) as Record<string, string>
  expect(await readFile(join(directory, id, 'err'), 'utf8')).toBe('')
  return { script, got }
}

describe('the script that becomes a program', () => {
  it.for([['/bin/sh'], ['bash', '--posix'], ['bash']])(
    'gives it exactly the environment that was asked for: %s',
    async (shell, { directory, skip }) => {
      if (shell[0] === 'bash' && !existsSync('/bin/bash')) skip('needs bash')
      const env = {
        ...{ QUOTED: 'it\'s "so" \\ `id` $HOME', LINES_OF: 'one\ntwo\n', EMPTY: '', SNOW: '☃', EQUAL: 'a=b' },
        ...{ 'not-a-name': 'x', 'with.dot': 'y', _: '/bin/z', SHLVL: '7', PWD: '/elsewhere', UID: 'u' },
        ...{ IFS: 'abc', OPTIND: 'x', RANDOM: 'r', PATH: '/nowhere', LC_ALL: 'xx_XX', e: '1' },
      }
      expect((await launch(directory, env, shell)).got).toEqual(env)
    },
  )

  it('adds nothing to an empty one', async ({ directory }) => {
    expect((await launch(directory, {})).got).toEqual({})
  })

  it('has no value among the arguments of a process, and takes as many as the kernel does', async ({
    directory,
  }) => {
    const env = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`SECRET_${n}`, 'x'.repeat(100_000)]))
    const { script, got } = await launch(directory, env)
    expect(got).toEqual(env)
    expect(script.split('\n').find((line) => line.includes(' env -i '))).not.toContain('SECRET')
    expect(script.split('\n').filter((line) => /\bSECRET_/.test(line))).toEqual(
      Object.entries(env).map(([name, value]) => `export ${name}='${value}' 2>/dev/null`),
    )
  })
})
