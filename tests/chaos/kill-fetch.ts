import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readPlan } from './seeded.ts'
import { census, serve } from './served.ts'
import { expectStatus, run, type Run, type World } from './world.ts'

// Bytes; several times what is written at once.
const size = 4_000_000
// Bytes of the heads of answers.
const slack = 4096

/** Kills runs of fetch after random times, and after random numbers of bytes that came from the server. */
export async function killFetches({ packages }: World, gupper: readonly string[]): Promise<void> {
  const { random, kills } = readPlan('fetch', 100)
  const bytes = randomBytes(size)
  const digest = createHash('sha256').update(bytes).digest('hex')
  const file = 'heavy-1.0.0-any-any'
  await writeFile(join(packages, file), bytes)
  const cache = await mkdtemp(join(packages, '..', 'cache '))
  const into = await mkdtemp(join(packages, '..', 'into '))
  const env = { XDG_CACHE_HOME: cache }
  const server = await serve(packages, gupper)
  const listed = await run(gupper, ['list', server.url, '--name', 'heavy'], { env })
  const fetch = (deliver: boolean, kill?: number | ((kill: () => void) => void)): Promise<Run> =>
    run(gupper, ['fetch', '--quiet', ...(deliver ? ['--into', into] : [])], {
      input: listed.stdout,
      env,
      ...(kill !== undefined && { kill }),
    })
  const first = await fetch(true)
  expectStatus(first, 'the first fetch')
  let typical = first.took
  const seen = { killed: 0, blank: 0, begun: 0, whole: 0 }
  for (let i = 0; seen.killed < kills; i++) {
    if (i > 4 * kills) throw new Error(`only ${seen.killed} of ${i} runs could be killed`)
    const deliver = random() < 0.5
    const [share, later] = [random(), random()]
    const { begun: before } = await census(cache)
    server.arm(Infinity)
    const cut = await fetch(
      deliver,
      random() < 0.4
        ? typical * (0.4 + 0.65 * share)
        : (kill) => server.arm((size + slack) * share, () => setTimeout(kill, later < 0.5 ? 0 : 30 * later)),
    )
    if (cut.signal === 'SIGKILL') seen.killed++
    const { blobs, begun } = await census(cache)
    seen[blobs.length > 0 ? 'whole' : begun > 0 ? 'begun' : 'blank']++
    if (blobs.length === 0 && begun < before) throw new Error(`kill ${i}: ${before} bytes became ${begun}`)
    // Every other time the run that would go on is killed too.
    if (random() < 0.5) continue

    server.arm(Infinity)
    const whole = await fetch(deliver)
    expectStatus(whole, `kill ${i}: the next run`)
    typical = 0.7 * typical + 0.3 * whole.took
    const missing = blobs.length > 0 || begun === size ? 0 : size - begun + slack
    if (server.passed > missing)
      throw new Error(`kill ${i}: ${begun} bytes were there, yet ${server.passed} came`)
    const { path } = JSON.parse(whole.stdout) as { path: string }
    if (!bytes.equals(await readFile(path))) throw new Error(`kill ${i}: ${path} is not the package`)
    await expectTidy(cache, digest, `kill ${i}`)
    if (deliver && (await readdir(into)).join() !== file)
      throw new Error(`kill ${i}: delivered: ${(await readdir(into)).join(', ')}`)
    await rm(join(cache, 'gupper', 'sha256'), { recursive: true })
  }
  await server.stop()
  const locks = await readdir(join(cache, 'gupper', 'locks'))
  if (locks.length > 2) throw new Error(`locks: ${locks.join(', ')}`)
  console.log(
    `fetch: killed ${seen.killed}; after that nothing was there ${seen.blank} times, a part ${seen.begun} times, all of it ${seen.whole} times`,
  )
  if (seen.begun < kills / 10) throw new Error('too few were killed in the middle')
}

async function expectTidy(cache: string, digest: string, when: string): Promise<void> {
  const { blobs, partials } = await census(cache)
  if (blobs.length !== 1 || !blobs[0]?.endsWith(digest))
    throw new Error(`${when}: cached: ${blobs.join(', ')}`)
  if (partials.length > 0) throw new Error(`${when}: left behind: ${partials.join(', ')}`)
}
