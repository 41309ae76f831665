import { open } from 'node:fs/promises'
import path from 'node:path'
import { once } from 'node:events'
import { setTimeout as passing } from 'node:timers/promises'
import { atMost, megabytes, type Part } from './figure.ts'
import { memoryOf, start, stop } from './machine.ts'
import { startService } from './service.ts'

const rounds = 4
const lines = 86_400 // one a second, of a day
const line =
  '2026-11-21T07:29:12Z info request=GET /version status=200 took=1.2ms client=127.0.0.1 agent=curl 8.5'

// Writes a day of lines whenever it gets SIGUSR1, which the supervisor passes on.
const program = (): string => `#!/bin/sh
n=0
trap 'n=$((n+1)); yes "${line}" | head -n ${lines}; echo "round $n"' USR1
while :; do sleep 100000 & wait $!; done
`

/** What the supervisor of one program has in memory, at first and after each day of its log lines. */
export const supervising: Part = {
  name: 'supervisor',
  needs: [],
  async *measure(work) {
    const asleep = start(work, process.execPath, '-e', 'console.log(1); setInterval(() => {}, 1e9)')
    if (asleep.stdout) await once(asleep.stdout, 'data')
    const service = await startService('1.0.0', { work, program, run: ['--via', 'restart'] })
    const log = path.join(work, 'state/gupper/services/app/log/current')
    const after: number[] = []
    try {
      for (let round = 1; round <= rounds; round++) {
        service.child.kill('SIGUSR1')
        await untilEnds(log, `round ${round}\n`)
        // As of any other second of the day.
        await passing(3000)
        after.push(await memoryOf(service.child, 'VmRSS'))
      }
      const theirs = await memoryOf(asleep, 'VmRSS')
      const [first = 0, last = 0] = [after[0], after.at(-1)]
      const what = `supervisor of one program, ${rounds} days of log lines`
      const unit = megabytes
      yield atMost(1.5, { what, against: 'bare node asleep', ours: last, theirs, unit })
      yield atMost(1.05, {
        what: 'the same: flat',
        against: 'after one day',
        ours: last,
        theirs: first,
        unit,
      })
    } finally {
      await service.stop()
      await stop(asleep)
    }
  },
}

async function untilEnds(file: string, end: string): Promise<void> {
  const deadline = performance.now() + 60_000
  // It is made with the first line.
  while ((await tailOf(file, end.length).catch(() => '')) !== end) {
    if (performance.now() > deadline) throw new Error(`${file} does not end with ${end}`)
    await passing(20)
  }
}

async function tailOf(file: string, length: number): Promise<string> {
  const handle = await open(file)
  const { size } = await handle.stat()
  const tail = Buffer.alloc(Math.min(size, length))
  await handle.read(tail, 0, tail.length, size - tail.length)
  await handle.close()
  return tail.toString()
}
