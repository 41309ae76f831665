import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { handOverUnderLoad } from '../../scripts/bench/handover.ts'

const command = [process.execPath, join(import.meta.dirname, '../../src/cli.ts')] as const
const count = 10

it.each(['socket', 'proxy'])(
  `is replaced ${count} times by way of %s, and no request of a load that never stops is lost or answered wrongly`,
  { timeout: 120_000 },
  async (via) => {
    const work = await mkdtemp(join(tmpdir(), 'gupper-load-'))
    onTestFinished(async () => rm(work, { recursive: true, force: true }))
    const result = await handOverUnderLoad({ via, count, work, command })
    expect(result).toMatchObject({ via, hand_overs: count, lost: 0, reasons: {}, client_faults: 0 })
    // Each kind of client was answered.
    expect(Math.min(...Object.values(result.by_kind))).toBeGreaterThan(0)
  },
)
