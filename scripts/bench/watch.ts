import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as passing } from 'node:timers/promises'
import { alternate, atMost, megabytes, ms, type Part } from './figure.ts'
import { gupper, linesOf, makePackages, memoryOf, serve, start, stop, stopAll } from './machine.ts'

const [node, launcher] = gupper

/** What `gupper watch` takes while nothing happens, and how soon it tells of a package among many. */
export const watching: Part = {
  name: 'watch',
  needs: [],
  async *measure(work) {
    const few = await observe(work, 400)
    await few.news()
    const asleep = start(work, node, '-e', 'console.log(1); setTimeout(() => {}, 1e9)')
    if (asleep.stdout) await once(asleep.stdout, 'data')
    const window = 10
    const before = await Promise.all([few.child, asleep].map(ticks))
    // Nothing is waited for here: it is the time over which is measured.
    await passing(window * 1000)
    const [ours = 0, theirs = 0] = (await Promise.all([few.child, asleep].map(ticks))).map(
      (now, index) => now - (before[index] ?? 0),
    )
    const [has = 0, base = 0] = await Promise.all([few.child, asleep].map((one) => memoryOf(one, 'VmRSS')))
    await stop(asleep)
    const against = 'bare node asleep'
    yield atMost(1.4, { what: 'watch idle: memory', against, ours: has, theirs: base, unit: megabytes })
    yield {
      what: `watch idle: processor time in ${window} s`,
      against,
      measured: `${ours * 10} ms`,
      peer: `${theirs * 10} ms`,
      // Both are zero at best, of which there is no ratio.
      ratio: ours === theirs ? 1 : ours / Math.max(theirs, 1),
      better: 'less',
      reach: 'not measurable (≤ 20 ms)',
      good: ours - theirs <= 2,
    }

    const many = await observe(work, 10_000)
    const most = await observe(work, 100_000)
    const [quick = 0, slower = 0, slowest = 0] = await alternate(15, few.news, many.news, most.news)
    const rest = { against: 'itself with 400', theirs: quick, unit: ms }
    // A few milliseconds differ from run to run by more than a tenth.
    yield atMost(1.15, { what: 'watch: news among 10,000 packages', ours: slower, ...rest })
    yield atMost(1.15, { what: 'watch: news among 100,000 packages', ours: slowest, ...rest })
    await stopAll()
  },
}

/** A repository with a watch on it; `news` puts a package there. @returns ms until its record is written */
async function observe(
  work: string,
  count: number,
): Promise<{ child: ChildProcess; news: () => Promise<number> }> {
  const dir = path.join(work, `watched-${count}`)
  await makePackages(dir, count)
  const { url } = await serve(work, dir)
  const child = start(work, node, launcher, 'watch', url)
  const line = linesOf(child)
  await line()
  let patch = 0
  const news = async (): Promise<number> => {
    const file = `app-99999.0.${String(patch++)}-any-any`
    const next = path.join(dir, `.${file}`)
    await writeFile(next, file)
    const since = performance.now()
    await rename(next, path.join(dir, file))
    const record = await line()
    if (!record.includes(file)) throw new Error(`another record than that of ${file}: ${record}`)
    return performance.now() - since
  }
  return { child, news }
}

/** The processor time a process took so far, in ticks of 10 ms. */
async function ticks({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8')
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return Number(user) + Number(system)
}
