// kill -9 before every single call that changes the disk: the repository is the old or the new one, and the next run
// finishes or undoes what was begun, and leaves nothing behind.
import { cp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { expect, it } from 'vitest'
import { noKeys, readKeyring } from '../../src/repository/keys/keyring.ts'
import { readMinisignSecret } from '../../src/repository/keys/minisign-key.ts'
import { checkMinisig, makeSecret, writeSecret } from './minisign-tools.ts'
import {
  checkRepository,
  demandTwo,
  filesIn,
  makeDir,
  makeWorld,
  pickKeyring,
  publishFiles,
  writePackage,
  type World,
} from './tools.ts'

const root = path.join(import.meta.dirname, '../..')
const hook = path.join(root, 'tests/chaos/kill-at.ts')
const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'
// STRIDE=1 leaves no call out.
const every = Number(process.env.STRIDE ?? 3)

/** Runs gupper from source in a copy of a world; killed before its call number `at`, or with 0 counted. */
async function run(world: World, args: readonly string[], at?: number) {
  const count = path.join(world.dir, 'count')
  const node = at === undefined ? [] : ['--import', hook]
  const done = await execa(process.execPath, [...node, path.join(root, 'src/cli.ts'), ...args], {
    cwd: world.dir,
    reject: false,
    env: at === undefined ? {} : { KILL_AT: String(at), KILL_COUNT: count },
  })
  const { exitCode, stderr, signal } = done
  return { exitCode, stderr, signal, count: at === 0 ? Number(await readFile(count, 'utf8')) : 0 }
}

async function copy(world: World): Promise<World> {
  const dir = await makeDir()
  await cp(world.dir, dir, { recursive: true })
  return { ...world, dir, repo: path.join(dir, 'repo'), keys: path.join(dir, 'keys') }
}

async function killEverywhere(
  start: World,
  args: readonly string[],
  check: (there: World) => Promise<void>,
  stride = every,
): Promise<void> {
  const whole = await copy(start)
  const { exitCode, stderr, count } = await run(whole, args, 0)
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 })
  const wanted = await filesIn(whole.dir)
  expect(count).toBeGreaterThan(10)
  for (let at = 1; at <= count; at += stride) {
    const there = await copy(start)
    const cut = await run(there, args, at)
    expect(cut.signal, `call ${at}: ${cut.stderr}`).toBe('SIGKILL')
    await check(there)
    const next = await run(there, args)
    expect({ at, status: next.exitCode, stderr: next.stderr }).toMatchObject({ at, status: 0 })
    expect(
      (await filesIn(there.dir)).filter((file) => !wanted.includes(file)),
      `left behind by a kill before call ${at}`,
    ).toEqual([])
    expect((await filesIn(there.dir)).concat('count').sort()).toEqual(
      [...new Set([...wanted, 'count'])].sort(),
    )
  }
}

const quiet = ['--quiet', '--keys', 'keys']

it('publish, killed anywhere, is done or not begun', { timeout: 240_000 }, async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  await writePackage(world.dir, two)
  const seen = new Set<number>()
  await killEverywhere(world, ['publish', '--to', 'repo', ...quiet, two], async ({ repo }) => {
    const files = await checkRepository(repo)
    expect(files).toContain(one)
    seen.add(files.length)
  })
  expect([...seen].sort()).toEqual([1, 2])
})

it.each(['signed', 'plain'])(
  'publish with minisign into a %s directory, killed anywhere, lists no package without its signature',
  { timeout: 240_000 },
  async (kind) => {
    const world = await makeWorld()
    const secret = await writeSecret(world.dir, makeSecret())
    const minisign = await readMinisignSecret(secret, () => Promise.resolve(undefined))
    const repo = kind === 'signed' ? 'repo' : 'plain'
    const keyring = kind === 'signed' ? world.keyring : noKeys
    const place = { dir: world.dir, repo: path.join(world.dir, repo), keyring }
    await publishFiles(place, [await writePackage(world.dir, one)], { minisign })
    await writePackage(world.dir, two)
    const keys = kind === 'signed' ? quiet : ['--quiet']
    const seen = new Set<number>()
    const args = ['publish', '--to', repo, ...keys, '--minisign', path.basename(secret), two]
    const check = async ({ dir }: World): Promise<void> => {
      const there = path.join(dir, repo)
      const files = await filesIn(there)
      const listed = [one, two].filter((file) => files.includes(file))
      const vouched = kind === 'signed' ? await checkRepository(there) : []
      const targets = files.filter((file) => vouched.some((name) => file.endsWith(`.${name}`)))
      expect(targets).toHaveLength(vouched.length)
      for (const file of [...listed, ...targets]) await checkMinisig(path.join(there, file), minisign.public)
      seen.add(listed.length)
    }
    // A plain directory takes few calls.
    await killEverywhere(world, args, check, kind === 'plain' ? 1 : every)
    expect([...seen].sort()).toEqual([1, 2])
  },
)

it('yank, killed anywhere, is done or not begun', { timeout: 240_000 }, async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  const seen = new Set<number>()
  await killEverywhere(world, ['yank', 'app@1.0.0', '--to', 'repo', ...quiet], async ({ repo }) => {
    seen.add((await checkRepository(repo)).length)
  })
  expect([...seen].sort()).toEqual([0, 1])
})

it(
  'publish that waits for a second signature, killed anywhere, shows nothing',
  { timeout: 240_000 },
  async () => {
    const world = await makeWorld()
    await demandTwo(world)
    await publishFiles(world, [await writePackage(world.dir, one)])
    await writePackage(world.dir, two)
    await killEverywhere(world, ['publish', '--to', 'repo', ...quiet, two], async ({ repo }) => {
      expect(await checkRepository(repo)).toEqual([])
    })
  },
)

it(
  'refresh that commits what waited, killed anywhere, is done or not begun',
  { timeout: 240_000 },
  async () => {
    const world = await makeWorld()
    const keyring = await pickKeyring(world, 'targets')
    await publishFiles({ ...world, keyring }, [await writePackage(world.dir, one)])
    const seen = new Set<number>()
    // A run after a commit is another refresh, with another version of nothing but the timestamp.
    await killEverywhere(world, ['trust', 'refresh', 'repo', ...quiet], async ({ repo }) => {
      seen.add((await checkRepository(repo)).length)
    })
    expect([...seen].sort()).toEqual([0, 1])
  },
)

it('trust init, killed anywhere, is finished by the next run', { timeout: 240_000 }, async () => {
  const dir = await makeDir()
  const world: World = {
    dir,
    repo: path.join(dir, 'repo'),
    keys: path.join(dir, 'keys'),
    keyring: await readKeyring([]),
  }
  await writePackage(dir, one)
  const whole = await copy(world)
  const args = ['trust', 'init', 'repo', ...quiet]
  const { count } = await run(whole, args, 0)
  const wanted = await filesIn(whole.dir)
  for (let at = 1; at <= count; at += every) {
    const there = await copy(world)
    expect((await run(there, args, at)).signal).toBe('SIGKILL')
    const next = await run(there, args)
    // Nothing but what follows the commit may have been missing.
    const done = next.exitCode === 65 && (await filesIn(there.repo)).includes('metadata/timestamp.json')
    expect(next.exitCode === 0 || done, `call ${at}: ${next.exitCode} ${next.stderr}`).toBe(true)
    expect((await filesIn(there.dir)).concat('count').sort(), `call ${at}`).toEqual(wanted)
    await publishFiles({ ...there, keyring: await readKeyring([there.keys]) }, [path.join(there.dir, one)])
    expect(await checkRepository(there.repo)).toEqual([one])
  }
})
