import { mkdtemp, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { startReader } from './reader.ts'
import { readPlan } from './seeded.ts'
import { census, serve } from './served.ts'
import {
  expectStatus,
  findLeftovers,
  keep,
  makePackage,
  packageFile,
  readPending,
  run,
  standing,
  type Run,
  type World,
} from './world.ts'

/** Kills runs of update, from a server, over a target that is run all the time. */
export async function killUpdates(world: World, gupper: readonly string[]): Promise<void> {
  const { random, kills } = readPlan(`update of a ${world.kind}`, 100)
  // Each one that is finished makes way for the next.
  const versions = Math.ceil(1.2 * kills) + 4
  for (let minor = 5; minor < versions; minor++) await makePackage(world, `1.${minor}.0`)
  const cache = await mkdtemp(join(world.packages, '..', 'cache '))
  const env = { XDG_CACHE_HOME: cache }
  const server = await serve(world.packages, gupper)
  const update = (minor: number, kill?: number | ((kill: () => void) => void)): Promise<Run> => {
    const how = ['--to', world.target, '--keep', String(keep), '--check', 'test -e {}', '--quiet']
    const args = ['update', server.url, '--range', `<=1.${minor}.0`, ...how]
    return run(gupper, args, { env, ...(kill !== undefined && { kill }) })
  }
  expectStatus(await update(0), 'the first update')
  const reader = startReader(world)
  let typical = (await update(1)).took
  const seen = { killed: 0, old: 0, new: 0, unfinished: 0 }
  for (let i = 0, minor = 2; seen.killed < kills; i++) {
    if (minor === versions) throw new Error(`only ${seen.killed} of ${i} runs could be killed`)
    const before = await standing(world)
    const next = `1.${minor}.0`
    const { size } = await stat(join(world.packages, packageFile(world.kind, next)))
    const [share, later] = [random(), random()]
    server.arm(Infinity)
    const cut = await update(
      minor,
      random() < 0.7
        ? typical * (later < 0.4 ? 0.3 + 0.7 * share : 0.65 + 0.4 * share)
        : // A list, then the package.
          (kill) => server.arm((size + 2000) * share, () => setTimeout(kill, 0.4 * typical * later)),
    )
    if (cut.signal === 'SIGKILL') seen.killed++
    const after = await standing(world)
    if (after !== before && after !== next)
      throw new Error(`kill ${i}: ${after} stands there, neither ${before} nor ${next}`)
    seen[after === before ? 'old' : 'new']++
    const { partials } = await census(cache)
    if (partials.length > 0 || (await findLeftovers(world)) !== undefined) seen.unfinished++
    // More often than not the run that would finish is killed too.
    if (random() < 0.6) continue

    server.arm(Infinity)
    const whole = await update(minor)
    expectStatus(whole, `kill ${i}: the next run`)
    // Where nothing was left to do, it took no typical time.
    if (after === before) typical = 0.7 * typical + 0.3 * whole.took
    const finished = await standing(world)
    if (finished !== next) throw new Error(`kill ${i}: the next run left ${finished}, not ${next}`)
    const left = (await findLeftovers(world)) ?? (await findBegun(cache, minor + 1))
    // Killed after its switch there is nothing new for the next update: what is noted is tidied up by the one after that.
    const noted = after === next && (await readPending(world)) !== undefined
    if (left !== undefined && !noted) throw new Error(`kill ${i}: left behind: ${left}`)
    minor++
  }
  await server.stop()
  const reads = await reader.stop()
  console.log(
    `update of a ${world.kind}: killed ${seen.killed}, then the old one stood ${seen.old} times, the new one ${seen.new} times, ` +
      `${seen.unfinished} times something was left for the next run; the program ran ${reads} times meanwhile`,
  )
  if (reads < kills) throw new Error(`the program ran only ${reads} times`)
}

async function findBegun(cache: string, most: number): Promise<string | undefined> {
  const { blobs, partials } = await census(cache)
  if (partials.length > 0) return `in the cache: ${partials.join(', ')}`
  return blobs.length > most ? `${blobs.length} packages in the cache` : undefined
}
