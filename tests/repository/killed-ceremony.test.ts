// kill -9 before calls that change the disk: at no instant is there anything that a client with the first root refuses, and
// the next run finishes what was begun.
import { cp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { openTrust } from '../../src/sources/trust.ts'
import { findTarget } from '../../src/trust/tuf/walk.ts'
import { makePerson } from './ceremony-tools.ts'
import { filesIn, makeDir, makeWorld, publishFiles, writePackage, type World } from './tools.ts'

const root = path.join(import.meta.dirname, '../..')
const hook = path.join(root, 'tests/chaos/kill-at.ts')
const one = 'app-1.0.0-linux-amd64'
// STRIDE=1 leaves no call out.
const every = Number(process.env.STRIDE ?? 3)

async function run(dir: string, args: readonly string[], at?: number) {
  const count = path.join(dir, 'count')
  const node = at === undefined ? [] : ['--import', hook]
  const done = await execa(process.execPath, [...node, path.join(root, 'src/cli.ts'), ...args], {
    cwd: dir,
    reject: false,
    env: at === undefined ? {} : { KILL_AT: String(at), KILL_COUNT: count },
  })
  const { exitCode, stderr, signal } = done
  return { exitCode, stderr, signal, count: at === 0 ? Number(await readFile(count, 'utf8')) : 0 }
}

async function copy(from: string): Promise<string> {
  const dir = await makeDir()
  await cp(from, dir, { recursive: true })
  return dir
}

async function demandFound(dir: string): Promise<void> {
  // A client that has seen nothing, and one that knows what was there before.
  for (const home of [path.join(await makeDir(), 'new'), path.join(await copy(path.join(dir, 'state')))]) {
    const trust = await openTrust({ root: path.join(dir, 'pinned.json'), home, cwd: dir, env: {} })
    const found = await trust.withMirrors(['repo'], async ({ trusted }) => findTarget(trusted, one))
    trust.close()
    expect(found?.path).toBe(one)
  }
}

async function makeStart(): Promise<World> {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  await cp(path.join(world.repo, 'metadata/1.root.json'), path.join(world.dir, 'pinned.json'))
  await cp(world.repo, path.join(world.dir, 'seen'), { recursive: true })
  const home = path.join(world.dir, 'state')
  const trust = await openTrust({ root: path.join(world.dir, 'pinned.json'), home, cwd: world.dir, env: {} })
  await trust.withMirrors(['repo'], async ({ trusted }) => findTarget(trusted, one))
  trust.close()
  return world
}

async function killEverywhere(start: string, args: readonly string[]): Promise<void> {
  const whole = await copy(start)
  const { exitCode, stderr, count } = await run(whole, args, 0)
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  const wanted = await filesIn(whole)
  await demandFound(whole)
  expect(count).toBeGreaterThan(10)
  for (let at = 1; at <= count; at += every) {
    const there = await copy(start)
    const cut = await run(there, args, at)
    expect(cut.signal, `call ${at}: ${cut.stderr}`).toBe('SIGKILL')
    await demandFound(there)
    const next = await run(there, args)
    expect({ at, status: next.exitCode, stderr: next.stderr }).toMatchObject({ at, status: 0 })
    await demandFound(there)
    expect(await filesIn(there), `after a kill before call ${at}`).toEqual(
      wanted.filter((file) => file !== 'count'),
    )
  }
}

const keys = ['--quiet', '--keys', 'keys', '--keys', 'people/new']

it.each(['online', 'targets', 'root'])(
  'a rotation of %s, killed anywhere',
  { timeout: 300_000 },
  async (role) => {
    const world = await makeStart()
    await makePerson(world, 'new')
    await killEverywhere(world.dir, ['trust', 'rotate', role, 'repo', '--key', 'people/new/new.pub', ...keys])
  },
)

it('a signature that makes a change complete, killed anywhere', { timeout: 300_000 }, async () => {
  const world = await makeStart()
  await makePerson(world, 'new')
  const change = ['--key', 'people/new/new.pub', '--threshold', '2', '--quiet', '--keys', 'keys']
  const { exitCode } = await run(world.dir, ['trust', 'add-key', 'targets', 'repo', ...change])
  expect(exitCode).toBe(0)
  await killEverywhere(world.dir, ['trust', 'sign', 'repo', '--yes', ...keys])
})

it('a delegation, killed anywhere', { timeout: 300_000 }, async () => {
  const world = await makeStart()
  await makePerson(world, 'new')
  const team = ['team', 'repo', '--key', 'people/new/new.pub', '--paths', 'team-*']
  await killEverywhere(world.dir, ['trust', 'delegate', ...team, ...keys])
})
