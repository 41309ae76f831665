import type { Registry } from 'prom-client'
import type { Catalog } from './catalog.ts'
import type { Counters } from './counters.ts'
import type { Events } from './events.ts'

/** Where the numbers come from. */
export interface MetricsOptions {
  counters: Counters
  catalog: Catalog
  events: Events
}

/** `GET /metrics`: what has been counted, in Prometheus' text format. prom-client is loaded by the first scrape. */
export class Metrics {
  readonly #options: MetricsOptions
  #registry: Promise<Registry> | undefined

  constructor(options: MetricsOptions) {
    this.#options = options
  }

  /** @returns the text and its media type */
  async render(): Promise<{ text: string; type: string }> {
    this.#registry ??= makeRegistry(this.#options)
    const registry = await this.#registry
    return { text: await registry.metrics(), type: registry.contentType }
  }
}

async function makeRegistry({ counters, catalog, events }: MetricsOptions): Promise<Registry> {
  const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client')
  const register = new Registry()
  const registers = [register]
  collectDefaultMetrics({ register })
  new Counter({
    name: 'gupper_requests_total',
    help: 'Requests answered, by route and status.',
    labelNames: ['route', 'status'],
    registers,
    collect() {
      this.reset()
      for (const { route, status, count } of counters.requests()) this.inc({ route, status }, count)
    },
  })
  const counter = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(value())
      },
    })
  }
  const gauge = (name: string, help: string, value: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  }
  counter('gupper_sent_bytes_total', 'Bytes of bodies sent.', () => counters.bytes)
  counter('gupper_connections_dropped_total', 'Connections turned away.', () => counters.dropped)
  gauge('gupper_downloads_in_flight', 'Downloads under way.', () => counters.downloads)
  gauge('gupper_event_clients', 'Clients that listen to /events.', () => events.clients)
  gauge('gupper_packages', 'Packages that are listed.', () => catalog.packages)
  gauge(
    'gupper_index_generation',
    'How often the list has changed since the start.',
    () => catalog.generation,
  )
  return register
}
