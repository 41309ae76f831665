// kill -9 before every single call that changes the disk: the repository is the old or the new one, and the next run
// finishes or undoes what was begun, and leaves nothing behind.
import path from 'node:path'
import { expect, it } from 'vitest'
import { noKeys, readKeyring } from '../../src/repository/keys/keyring.ts'
import { readMinisignSecret } from '../../src/repository/keys/minisign-key.ts'
import { copyDir, every, killEverywhere, run } from './kill-tools.ts'
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
} from './tools.ts'

const one = 'app-1.0.0-linux-amd64'
const two = 'app-1.1.0-linux-amd64'
const repoIn = (dir: string): string => path.join(dir, 'repo')
const quiet = ['--quiet', '--keys', 'keys']

it('publish, killed anywhere, is done or not begun', { timeout: 240_000 }, async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  await writePackage(world.dir, two)
  const seen = new Set<number>()
  await killEverywhere(world.dir, ['publish', '--to', 'repo', ...quiet, two], {
    killed: async (dir) => {
      const files = await checkRepository(repoIn(dir))
      expect(files).toContain(one)
      seen.add(files.length)
    },
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
    const killed = async (dir: string): Promise<void> => {
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
    await killEverywhere(world.dir, args, { killed, stride: kind === 'plain' ? 1 : every })
    expect([...seen].sort()).toEqual([1, 2])
  },
)

it('yank, killed anywhere, is done or not begun', { timeout: 240_000 }, async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, one)])
  const seen = new Set<number>()
  await killEverywhere(world.dir, ['yank', 'app@1.0.0', '--to', 'repo', ...quiet], {
    killed: async (dir) => {
      seen.add((await checkRepository(repoIn(dir))).length)
    },
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
    await killEverywhere(world.dir, ['publish', '--to', 'repo', ...quiet, two], {
      killed: async (dir) => {
        expect(await checkRepository(repoIn(dir))).toEqual([])
      },
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
    await killEverywhere(world.dir, ['trust', 'refresh', 'repo', ...quiet], {
      killed: async (dir) => {
        seen.add((await checkRepository(repoIn(dir))).length)
      },
    })
    expect([...seen].sort()).toEqual([0, 1])
  },
)

it('trust init, killed anywhere, is finished by the next run', { timeout: 240_000 }, async () => {
  const dir = await makeDir()
  await writePackage(dir, one)
  const whole = await copyDir(dir)
  const args = ['trust', 'init', 'repo', ...quiet]
  const { count } = await run(whole, args, 0)
  const wanted = await filesIn(whole)
  for (let at = 1; at <= count; at += every) {
    const there = await copyDir(dir)
    const repo = repoIn(there)
    expect((await run(there, args, at)).signal).toBe('SIGKILL')
    const next = await run(there, args)
    // Nothing but what follows the commit may have been missing.
    const done = next.exitCode === 65 && (await filesIn(repo)).includes('metadata/timestamp.json')
    expect(next.exitCode === 0 || done, `call ${at}: ${next.exitCode} ${next.stderr}`).toBe(true)
    expect((await filesIn(there)).concat('count').sort(), `call ${at}`).toEqual(wanted)
    const keyring = await readKeyring([path.join(there, 'keys')])
    await publishFiles({ dir: there, repo, keyring }, [path.join(there, one)])
    expect(await checkRepository(repo)).toEqual([one])
  }
})
