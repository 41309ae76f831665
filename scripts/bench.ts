// The figures of gupper, each against a named peer in the same run: npm run bench [-- [--json] [PART…]].
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fetching } from './bench/fetch.ts'
import type { Figure, Missing, Part } from './bench/figure.ts'
import { has, stopAll } from './bench/machine.ts'
import { memory } from './bench/memory.ts'
import { polling, serving } from './bench/serve.ts'
import { proxying } from './bench/proxy.ts'
import { switching, throughSocket } from './bench/service-figures.ts'
import { start } from './bench/start.ts'
import { supervising } from './bench/supervisor.ts'
import { trust } from './bench/trust.ts'
import { watching } from './bench/watch.ts'

const services = [throughSocket, proxying, switching, supervising]
const parts = [start, fetching, memory, serving, polling, watching, trust, ...services]
const json = process.argv.includes('--json')
const words = process.argv.slice(2).filter((word) => !word.startsWith('-'))
const unknown = words.filter((word) => !parts.some(({ name }) => name === word))

if (unknown.length > 0) {
  console.error(
    `no such part: ${unknown.join(', ')} (there are: ${parts.map(({ name }) => name).join(', ')})`,
  )
  process.exitCode = 64
} else {
  const chosen = parts.filter(({ name }) => words.length === 0 || words.includes(name))
  const rows: (Figure | Missing)[] = []
  for (const part of chosen) rows.push(...(await run(part)))
  print(rows)
  // What lacks a tool is left out; what failed has set the status.
  process.exitCode ??= rows.every((row) => 'missing' in row || row.good) ? 0 : 1
}

/** Measures a part in a directory of its own; what fails is a row too, so that the others are still measured. */
async function run(part: Part): Promise<(Figure | Missing)[]> {
  const { name, needs } = part
  const lacking = needs.filter((tool) => !has(tool))
  if (lacking.length > 0) return [{ what: name, missing: `needs ${lacking.join(', ')}` }]
  const work = await mkdtemp(path.join(tmpdir(), `gupper-bench-${name}-`))
  const rows: (Figure | Missing)[] = []
  try {
    for await (const row of part.measure(work)) {
      rows.push(row)
      console.error(`${name}: ${row.what}`)
    }
  } catch (error) {
    process.exitCode = 70
    const reason = error instanceof Error ? error.message : String(error)
    rows.push({ what: name, missing: `could not be measured: ${reason}` })
  } finally {
    await stopAll()
    await rm(work, { recursive: true, force: true })
  }
  return rows
}

function print(rows: readonly (Figure | Missing)[]): void {
  if (json) {
    for (const row of rows) console.log(JSON.stringify(row))
    return
  }
  const heads = ['WHAT', 'MEASURED', 'AGAINST', '', 'RATIO', 'BETTER', 'REACH', '']
  const table = [heads, ...rows.map(cells)]
  const widths = heads.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

function cells(row: Figure | Missing): string[] {
  if ('missing' in row) return [row.what, '-', '', '', '', '', '', `left out: ${row.missing}`]
  const { what, measured, peer, against, ratio, better, reach, good } = row
  return [what, measured, peer, against, `${ratio.toFixed(2)} ×`, better, reach, good ? 'reached' : 'MISSED']
}
