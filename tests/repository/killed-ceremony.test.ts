// kill -9 before calls that change the disk: at no instant is there anything that a client with the first root refuses, and
// the next run finishes what was begun.
import { cp } from 'node:fs/promises'
import path from 'node:path'
import { expect, it } from 'vitest'
import { openTrust } from '../../src/sources/trust.ts'
import { findTarget } from '../../src/trust/tuf/walk.ts'
import { makePerson } from './ceremony-tools.ts'
import { copyDir, killEverywhere, run } from './kill-tools.ts'
import { makeDir, makeWorld, publishFiles, writePackage, type World } from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
// At no instant, and never after it, is there anything that a client refuses.
const looks = { killed: demandFound, finished: demandFound }

async function demandFound(dir: string): Promise<void> {
  // A client that has seen nothing, and one that knows what was there before.
  for (const home of [path.join(await makeDir(), 'new'), await copyDir(path.join(dir, 'state'))]) {
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
  const home = path.join(world.dir, 'state')
  const trust = await openTrust({ root: path.join(world.dir, 'pinned.json'), home, cwd: world.dir, env: {} })
  await trust.withMirrors(['repo'], async ({ trusted }) => findTarget(trusted, one))
  trust.close()
  return world
}

const keys = ['--quiet', '--keys', 'keys', '--keys', 'people/new']

it.each(['online', 'targets', 'root'])(
  'a rotation of %s, killed anywhere',
  { timeout: 300_000 },
  async (role) => {
    const world = await makeStart()
    await makePerson(world, 'new')
    await killEverywhere(
      world.dir,
      ['trust', 'rotate', role, 'repo', '--key', 'people/new/new.pub', ...keys],
      looks,
    )
  },
)

it('a signature that makes a change complete, killed anywhere', { timeout: 300_000 }, async () => {
  const world = await makeStart()
  await makePerson(world, 'new')
  const change = ['--key', 'people/new/new.pub', '--threshold', '2', '--quiet', '--keys', 'keys']
  const { exitCode } = await run(world.dir, ['trust', 'add-key', 'targets', 'repo', ...change])
  expect(exitCode).toBe(0)
  await killEverywhere(world.dir, ['trust', 'sign', 'repo', '--yes', ...keys], looks)
})

it('a delegation, killed anywhere', { timeout: 300_000 }, async () => {
  const world = await makeStart()
  await makePerson(world, 'new')
  const team = ['team', 'repo', '--key', 'people/new/new.pub', '--paths', 'team-*']
  await killEverywhere(world.dir, ['trust', 'delegate', ...team, ...keys], looks)
})
