import { formatTime } from '../package/time.ts'
import type { LogLine } from '../logs/log.ts'
import type { HistoryEntry, ServiceStatus } from '../web/service-view.ts'

/** What a hand-over came to, as records and the history tell it; null is what its way cannot know. */
export interface Activated {
  service: string
  way: string
  from?: string
  to: string
  /** From the decision to its end. */
  took_ms: number
  /** From the decision until all that is new went to the new one. */
  switched_ms?: number
  in_flight: number | null
  held: number | null
  retried: number | null
  cut: number | null
  lost: number | null
  state: 'committed' | 'aborted' | 'reverted' | 'stuck' | 'unchanged'
  dry_run?: true
  /** The update that a rollback broke off. */
  broken_off?: string
  /** The last lines of the program that failed. */
  log?: readonly string[]
}

/** Something that happened to a service: a record of `run`. */
export interface ServiceEvent {
  time: string
  service: string
  event: string
  [more: string]: unknown
}

/** What those who look at a service are told. */
export interface Change {
  status?: ServiceStatus
  line?: LogLine
  history?: HistoryEntry
}

/** Where a service tells what happens. */
export class Events {
  readonly #service: string
  readonly #emit: (event: ServiceEvent) => void
  readonly #listeners = new Set<(change: Change) => void>()
  /** Hands over what the program writes, line by line, from now on; returns what ends that. Only while somebody looks. */
  follow: () => () => void = () => () => undefined
  #unfollow: () => void = () => undefined

  constructor(service: string, emit: (event: ServiceEvent) => void) {
    this.#service = service
    this.#emit = emit
  }

  /** Tells of something that happened, to whoever reads the records. */
  tell(event: string, fields: Record<string, unknown> = {}): void {
    this.#emit({ time: formatTime(new Date()), service: this.#service, event, ...fields })
  }

  /** Tells those who look. */
  change(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Calls back with each change; returns how to stop. */
  onChange(listener: (change: Change) => void): () => void {
    if (this.#listeners.size === 0) this.#unfollow = this.follow()
    this.#listeners.add(listener)
    return () => {
      if (this.#listeners.delete(listener) && this.#listeners.size === 0) this.#unfollow()
    }
  }
}
