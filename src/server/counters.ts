/** The routes of the server, as the metrics name them. */
export const routes = [
  'list',
  'download',
  'metadata',
  'targets',
  'events',
  'page',
  'healthz',
  'metrics',
  'other',
] as const
export type Route = (typeof routes)[number]

const statuses = 600

/** What is counted while requests are served: plain numbers, since this is in everyone's way. */
export class Counters {
  readonly #requests: Record<Route, Float64Array> = {
    list: new Float64Array(statuses),
    download: new Float64Array(statuses),
    metadata: new Float64Array(statuses),
    targets: new Float64Array(statuses),
    events: new Float64Array(statuses),
    page: new Float64Array(statuses),
    healthz: new Float64Array(statuses),
    metrics: new Float64Array(statuses),
    other: new Float64Array(statuses),
  }
  bytes = 0
  /** Downloads under way. */
  downloads = 0
  /** Connections turned away because there were too many. */
  dropped = 0

  count(route: Route, status: number, bytes: number): void {
    const byStatus = this.#requests[route]
    byStatus[status] = (byStatus[status] ?? 0) + 1
    this.bytes += bytes
  }

  /** Every route and status that occurred, with how often. */
  *requests(): Generator<{ route: Route; status: number; count: number }> {
    for (const route of routes)
      for (const [status, count] of this.#requests[route].entries())
        if (count > 0) yield { route, status, count }
  }
}
