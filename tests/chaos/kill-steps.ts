import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  copyWorld,
  expectStatus,
  findLeftovers,
  installArgs,
  putByHand,
  readPending,
  recordOf,
  run,
  standing,
  type Run,
  type World,
} from './world.ts'

// STRIDE=2 leaves every other call on a tree out, where time is short.
const every = Number(process.env.STRIDE ?? 1)

interface Story {
  what: string
  /** Versions installed before, in order; none: what stands there was put there by hand. */
  before: readonly string[]
  args: readonly string[]
  input: string
  from: string
  to: string
}

/** Kills one run before each of its calls that change the disk, each time from the same state. */
export async function killAtSteps(world: World, gupper: readonly string[]): Promise<void> {
  const [v0 = '', v1 = '', v2 = '', v3 = ''] = world.versions
  const args = installArgs(world)
  const back = ['rollback', world.target, '--quiet']
  const stories: Story[] = [
    { what: 'first install', before: [], args, input: await recordOf(world, v1), from: v0, to: v1 },
    { what: 'install', before: [v0, v1, v2], args, input: await recordOf(world, v3), from: v2, to: v3 },
    { what: 'rollback', before: [v0, v1, v2], args: back, input: '', from: v2, to: v1 },
  ]
  for (const story of stories) await killStory(world, gupper, story)
}

async function killStory(world: World, gupper: readonly string[], story: Story): Promise<void> {
  const hook = ['--import', join(import.meta.dirname, 'kill-at.ts')]
  const tell = (there: World, env?: Record<string, string>): Promise<Run> => {
    const moved = story.args.map((word) => word.replace(world.dir, there.dir))
    const hooked = env === undefined ? [] : hook
    return run([process.execPath, ...hooked, ...gupper.slice(-1)], moved, { input: story.input, env })
  }
  const start = await copyWorld(world)
  if (story.before.length === 0) await putByHand(start, story.from)
  for (const version of story.before)
    expectStatus(
      await run(gupper, installArgs(start), { input: await recordOf(start, version) }),
      'the preparation',
    )

  const counted = await copyWorld(start)
  const countFile = `${world.dir}.count`
  expectStatus(await tell(counted, { KILL_AT: '0', KILL_COUNT: countFile }), story.what)
  const calls = Number(await readFile(countFile, 'utf8'))
  const seen = { old: 0, new: 0 }
  // While a tree is unpacked every call is like the one before it.
  const stride = (at: number): number => (world.kind === 'file' ? 1 : at < calls / 2 ? 3 * every : every)
  for (let at = 1; at <= calls; at += stride(at)) {
    const there = await copyWorld(start)
    const where = `${story.what}, killed before call ${at} of ${calls}`
    const cut = await tell(there, { KILL_AT: String(at) })
    if (cut.signal !== 'SIGKILL') throw new Error(`${where}: it ended with ${cut.status}: ${cut.stderr}`)
    const after = await standing(there)
    if (after !== story.from && after !== story.to) throw new Error(`${where}: ${after} stands there`)
    seen[after === story.to ? 'new' : 'old']++
    // Once a rollback is done and noted, another one is another one.
    const done = story.what === 'rollback' && after === story.to && (await readPending(there)) === undefined
    if (!done) expectStatus(await tell(there), `${where}: the next run`)
    const finished = await standing(there)
    if (finished !== story.to) throw new Error(`${where}: the next run left ${finished}`)
    const left = done ? undefined : await findLeftovers(there)
    if (left !== undefined) throw new Error(`${where}: left behind: ${left}`)
    await rm(there.dir, { recursive: true })
  }
  console.log(
    `${world.kind}: ${story.what} killed at its ${calls} calls that change the disk: old ${seen.old}, new ${seen.new}`,
  )
  if (seen.old === 0 || seen.new === 0)
    throw new Error(`${story.what} was not killed on both sides of its switch`)
}
