import { startReader } from './reader.ts'
import { readPlan } from './seeded.ts'
import {
  expectStatus,
  findLeftovers,
  installArgs,
  readPending,
  recordOf,
  run,
  standing,
  type Run,
  type World,
} from './world.ts'

/** Kills runs of install and rollback after random times, while another process runs the program all the time. */
export async function killAtRandom(world: World, gupper: readonly string[]): Promise<void> {
  const { random, kills } = readPlan(world.kind, 50)
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
  for (let i = 0; seen.killed < kills; i++) {
    if (i > 4 * kills) throw new Error(`only ${seen.killed} of ${i} runs could be killed`)
    const before = await standing(world)
    // What a run that was killed before had begun, this one may finish first.
    const pending = await readPending(world)
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
    if (!back && ![before, next, pending].includes(after))
      throw new Error(`kill ${i}: ${after} stands there, neither ${before} nor ${next}`)
    if ((await findLeftovers(world)) !== undefined) seen.unfinished++
    // Every third time the run that would tidy up is killed too.
    if (random() < 0.33) continue

    const whole = await install(next)
    expectStatus(whole, `kill ${i}: the next run`)
    typical = 0.7 * typical + 0.3 * whole.took
    const finished = await standing(world)
    if (finished !== next) throw new Error(`kill ${i}: the next run left ${finished}, not ${next}`)
    const left = await findLeftovers(world)
    if (left !== undefined) throw new Error(`kill ${i}: left behind: ${left}`)
  }
  const reads = await reader.stop()
  console.log(
    `${world.kind}: killed ${seen.killed}, then the old one stood ${seen.old} times, another ${seen.new} times, ` +
      `${seen.unfinished} times something was left for the next run; the program ran ${reads} times meanwhile`,
  )
  if (reads < kills) throw new Error(`the program ran only ${reads} times`)
}
