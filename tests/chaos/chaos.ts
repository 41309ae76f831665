// Kills gupper at every instant that matters and at many that may: node tests/chaos/chaos.ts random|steps file|tree
// PARENT-DIR GUPPER… ; SEED and RUNS come from the environment. Says what it did; ends with 1 at the first broken promise.
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  copyWorld,
  findLeftovers,
  isPending,
  makeWorld,
  putByHand,
  recordOf,
  run,
  standing,
  startReader,
  type Kind,
  type Run,
  type World,
} from './world.ts'

const keep = 3

function expectStatus(result: Run, what: string): void {
  if (result.status !== 0)
    throw new Error(`${what} ended with ${result.status}: ${result.stderr}${result.stdout}`)
}

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

function installArgs(world: World): string[] {
  return [
    'install',
    '--to',
    world.target,
    '--keep',
    String(keep),
    '--again',
    '--check',
    'test -e {}',
    '--quiet',
  ]
}

/** Kills runs of install and rollback after random times, while another process runs the program all the time. */
async function killAtRandom(world: World, gupper: readonly string[]): Promise<void> {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const runs = Number(process.env.RUNS ?? (world.kind === 'file' ? 110 : 90))
  console.log(`${world.kind}: seed ${seed}, ${runs} kills`)
  const random = seeded(seed)
  const install = async (version: string, kill?: number): Promise<Run> =>
    run(gupper, installArgs(world), {
      input: await recordOf(world, version),
      ...(kill !== undefined && { kill }),
    })
  const [first = '', second = ''] = world.versions
  expectStatus(await install(first), 'the first install')
  const reader = startReader(world)
  let typical = (await install(second)).took
  const seen = { killed: 0, old: 0, new: 0, unfinished: 0 }
  for (let i = 0; seen.killed < runs; i++) {
    if (i > 4 * runs) throw new Error(`only ${seen.killed} of ${i} runs could be killed`)
    const before = await standing(world)
    const others = world.versions.filter((version) => version !== before)
    const next = others[Math.floor(random() * others.length)] ?? first
    // The first half of a run is Node starting: most kills go to the rest.
    const kill = typical * (random() < 0.1 ? random() * 0.6 : 0.55 + random() * 0.5)
    const back = random() < 0.3
    const cut = back
      ? await run(gupper, ['rollback', world.target, '--quiet'], { kill })
      : await install(next, kill)
    if (cut.signal === 'SIGKILL') seen.killed++
    const after = await standing(world)
    seen[after === before ? 'old' : 'new']++
    if (!back && after !== before && after !== next)
      throw new Error(`kill ${i}: ${after} stands there, neither ${before} nor ${next}`)
    if ((await findLeftovers(world, keep)) !== undefined) seen.unfinished++

    const whole = await install(next)
    expectStatus(whole, `kill ${i}: the next run`)
    typical = 0.7 * typical + 0.3 * whole.took
    const finished = await standing(world)
    if (finished !== next) throw new Error(`kill ${i}: the next run left ${finished}, not ${next}`)
    const left = await findLeftovers(world, keep)
    if (left !== undefined) throw new Error(`kill ${i}: left behind: ${left}`)
  }
  const { reads, wrong } = await reader.stop()
  console.log(
    `${world.kind}: killed ${seen.killed}, then the old one stood ${seen.old} times, another ${seen.new} times, ` +
      `${seen.unfinished} times something was left for the next run; the program ran ${reads} times meanwhile`,
  )
  if (wrong !== '') throw new Error(`the program was not always whole:\n${wrong}`)
  if (reads < runs) throw new Error(`the program ran only ${reads} times`)
}

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
async function killAtSteps(world: World, gupper: readonly string[]): Promise<void> {
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
  const tell = (there: World, killAt: number, countFile?: string): Promise<Run> => {
    const hook = ['--import', join(import.meta.dirname, 'kill-at.ts')]
    const env = { KILL_AT: String(killAt), ...(countFile !== undefined && { KILL_COUNT: countFile }) }
    const moved = story.args.map((word) => word.replace(world.dir, there.dir))
    return run([process.execPath, ...hook, ...gupper.slice(-1)], moved, { input: story.input, env })
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
  expectStatus(await tell(counted, 0, countFile), story.what)
  const calls = Number(await readFile(countFile, 'utf8'))
  const seen = { old: 0, new: 0 }
  // While a tree is unpacked every call is like the one before it.
  const stride = (at: number): number => (world.kind === 'tree' && at < calls / 2 ? 3 : 1)
  for (let at = 1; at <= calls; at += stride(at)) {
    const there = await copyWorld(start)
    const where = `${story.what}, killed before call ${at} of ${calls}`
    const cut = await tell(there, at)
    if (cut.signal !== 'SIGKILL') throw new Error(`${where}: it ended with ${cut.status}: ${cut.stderr}`)
    const after = await standing(there)
    if (after !== story.from && after !== story.to) throw new Error(`${where}: ${after} stands there`)
    seen[after === story.to ? 'new' : 'old']++
    // Once a rollback is done and noted, another one is another one.
    const done = story.what === 'rollback' && after === story.to && !(await isPending(there))
    if (!done) expectStatus(await tell(there, 0), `${where}: the next run`)
    const finished = await standing(there)
    if (finished !== story.to) throw new Error(`${where}: the next run left ${finished}`)
    const left = done ? undefined : await findLeftovers(there, keep)
    if (left !== undefined) throw new Error(`${where}: left behind: ${left}`)
    await rm(there.dir, { recursive: true })
  }
  console.log(
    `${world.kind}: ${story.what} killed at its ${calls} calls that change the disk: old ${seen.old}, new ${seen.new}`,
  )
  if (seen.old === 0 || seen.new === 0)
    throw new Error(`${story.what} was not killed on both sides of its switch`)
}

const [how, kind, parent = '', ...gupper] = process.argv.slice(2)
const world = await makeWorld(parent, kind as Kind)
await (how === 'random' ? killAtRandom : killAtSteps)(world, gupper)
