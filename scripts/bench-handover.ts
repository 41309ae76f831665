// Proves that nothing is lost: npm run bench:handover [-- --count N --via socket|proxy].
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { handOverUnderLoad } from './bench/handover.ts'

const { count = '1000', via = ['socket', 'proxy'] } = parseArgs({
  options: { count: { type: 'string' }, via: { type: 'string', multiple: true } },
}).values

for (const way of via) {
  const work = await mkdtemp(path.join(tmpdir(), 'gupper-handover-'))
  const onEach = (done: number, lost: number): void => {
    if (done % 100 === 0) console.error(`${way}: ${done} of ${count} hand-overs, ${lost} lost`)
  }
  try {
    const result = await handOverUnderLoad({ via: way, count: Number(count), work, onEach })
    console.log(JSON.stringify(result))
    if (result.lost > 0 || Object.keys(result.reasons).length > 0) process.exitCode = 1
    else if (result.client_faults > 0) process.exitCode = 70
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
