import { startService } from './service.ts'
import { Load, quantile } from './service-load.ts'

/** What many hand-overs under load came to; times are ms. */
export interface HandOvers {
  via: string
  hand_overs: number
  requests: number
  by_kind: Record<string, number>
  lost: number
  /** Why, and how often. */
  reasons: Record<string, number>
  /** What the client could not ask: nothing is known of these. */
  client_faults: number
  took_ms: Spread
  switched_ms: Spread
  /** How long quick requests took that were under way during a hand-over. */
  hold_ms: Spread
}

interface Spread {
  median: number
  p99: number
  most: number
}

/** Replaces a service again and again under a load that never stops. */
export async function handOverUnderLoad(options: {
  via: string
  count: number
  work: string
  command?: readonly [string, string]
  onEach?: (done: number, lost: number) => void
}): Promise<HandOvers> {
  const { via, count, work, command, onEach } = options
  const ready = via === 'proxy' ? 'http:/version={version}' : 'fd'
  const flags = ['--listen', '127.0.0.1:0', '--via', via, '--ready', ready, '--healthy-for', '0', '--quiet']
  const version = (number: number): string => `1.0.${number}`
  const service = await startService(version(0), { work, run: flags, ...(command && { command }) })
  const load = new Load(service.port, version(0))
  const took: number[] = []
  const switched: number[] = []
  const reasons: Record<string, number> = {}
  const note = (reason: string): void => void (reasons[reason] = (reasons[reason] ?? 0) + 1)
  try {
    await load.start()
    for (let number = 1; number <= count; number++) {
      const next = version(number)
      const { took_ms, switched_ms, lost, cut } = await service.activate(next, () => load.begin(next))
      await load.commit(next)
      took.push(took_ms)
      switched.push(switched_ms)
      if (lost) note(`gupper says: ${lost} lost`)
      if (cut) note(`gupper says: ${cut} cut`)
      onEach?.(number, load.lost.length)
    }
  } finally {
    await load.stop()
    await service.stop()
  }
  load.lost.forEach(note)
  const requests = Object.values(load.requests).reduce((sum, one) => sum + one, 0)
  return {
    ...{ via, hand_overs: count, requests, by_kind: load.requests, lost: load.lost.length, reasons },
    client_faults: load.faults.length,
    ...{ took_ms: spread(took), switched_ms: spread(switched), hold_ms: spread(load.holds) },
  }
}

function spread(values: readonly number[]): Spread {
  const at = (part: number): number => Math.round(quantile(values, part) * 10) / 10
  return { median: at(0.5), p99: at(0.99), most: at(1) }
}
