import { badPhases, goodPhases, states } from './phases.ts'
import type { ServiceView } from './service-view.ts'

const results = ['committed', 'aborted', 'reverted', 'stuck']
const buckets = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600] // s

/**
 * `GET /metrics`: a service in Prometheus' text format. prom-client is loaded by the first scrape.
 * @returns the text and its media type
 */
export async function renderMetrics(view: ServiceView): Promise<{ text: string; type: string }> {
  const { Counter, Gauge, Histogram, Registry } = await import('prom-client')
  const { service, version = '', digest = '', state, phase } = await view.status()
  const { switches, durations, lost, restarts } = view.counts()
  // Made anew for each scrape: what a label said before must not stay.
  const register = new Registry()
  const registers = [register]
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Gauge({ name: `gupper_service_${name}`, help, labelNames, registers })
  gauge('info', 'What runs.', ['service', 'version', 'digest', 'state']).set(
    { service, version, digest, state },
    1,
  )
  const inState = gauge('state', 'In which state the service is.', ['service', 'state'])
  for (const one of states) inState.set({ service, state: one }, one === state ? 1 : 0)
  const inPhase = gauge('phase', 'Where its hand-over is.', ['service', 'phase'])
  for (const one of [...goodPhases, ...badPhases]) inPhase.set({ service, phase: one }, one === phase ? 1 : 0)

  const ended = new Counter({
    name: 'gupper_switches_total',
    help: 'Hand-overs, by how they ended.',
    labelNames: ['service', 'result'],
    registers,
  })
  for (const result of new Set([...results, ...Object.keys(switches)]))
    ended.inc({ service, result }, switches[result] ?? 0)
  const took = new Histogram({
    name: 'gupper_switch_duration_seconds',
    help: 'How long hand-overs took.',
    labelNames: ['service'],
    buckets,
    registers,
  })
  took.zero({ service })
  for (const seconds of durations) took.observe({ service }, seconds)
  const count = (name: string, help: string, value: number): void => {
    new Counter({ name, help, labelNames: ['service'], registers }).inc({ service }, value)
  }
  count('gupper_lost_requests_total', 'Requests lost in hand-overs.', lost)
  count('gupper_restarts_total', 'Times the program was started again.', restarts)
  return { text: await register.metrics(), type: register.contentType }
}
