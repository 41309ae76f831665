import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { megabytes, type Figure, type Part } from './figure.ts'
import { environment, gupper, listed, makeLarge, memoryOf, serve, start, stop } from './machine.ts'

const [node, launcher] = gupper
const file = 'huge-1.0.0-any-any'

/** The most memory that fetch, install and serve ever have with a package of 1 GB. */
export const memory: Part = {
  name: 'memory',
  needs: ['curl'],
  async *measure(work) {
    const dir = path.join(work, 'gigabyte')
    await makeLarge(path.join(dir, file), 1e9)
    const bare = peak(work, '', '-e', '0').most
    const compare = (what: string, ours: number): Figure => ({
      what: `peak memory of ${what}`,
      against: 'bare node -e 0',
      measured: megabytes(ours),
      peer: megabytes(bare),
      ratio: ours / bare,
      better: 'less',
      reach: '≤ + 80 MB',
      good: ours - bare <= 80e6,
    })

    const { url, child } = await serve(work, dir)
    const record = await listed(work, url)
    const fetched = peak(work, record, launcher, 'fetch')
    yield compare('fetch of 1 GB', fetched.most)
    yield compare('install of 1 GB', peak(work, fetched.output, launcher, 'install', '--to', './huge').most)
    await rm(path.join(work, 'huge'))

    const downloads = Array.from({ length: 4 }, () =>
      start(work, 'curl', '-sf', '-o', '/dev/null', `${url}/download/${file}`),
    )
    await Promise.all(downloads.map((download) => once(download, 'exit')))
    yield compare('serve, four downloads of 1 GB', await memoryOf(child, 'VmHWM'))
    await stop(child)
    for (const place of ['gigabyte', 'cache/gupper/sha256', '.gupper'])
      await rm(path.join(work, place), { recursive: true, force: true })
  },
}

/** Runs Node to the end, and asks it there for the most memory it had. */
function peak(work: string, input: string, ...args: string[]): { most: number; output: string } {
  const note = path.join(work, 'peak.mjs')
  const report = path.join(work, 'peak')
  const ask = `import { writeFileSync } from 'node:fs'
    process.on('exit', () => writeFileSync(${JSON.stringify(report)}, String(process.resourceUsage().maxRSS)))`
  writeFileSync(note, ask)
  const options = { cwd: work, env: environment(work), input, encoding: 'utf8' as const }
  const { status, stdout, stderr } = spawnSync(node, ['--import', note, ...args], options)
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return { most: Number(readFileSync(report, 'utf8')) * 1024, output: stdout }
}
