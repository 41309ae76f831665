import type { Observer } from '../package/observer.ts'
import type { HistoryEntry, Phase, ServiceState } from '../web/service-view.ts'
import type { Events } from './events.ts'
import type { Facts, Journal } from './journal.ts'

/** Where a supervisor writes down what becomes of its service, and tells those who look. */
export class Notes {
  readonly #parts: { journal: Journal; events: Events; observer: Observer }
  #trouble: string | undefined

  constructor(parts: { journal: Journal; events: Events; observer: Observer }) {
    this.#parts = parts
  }

  /** Notes how the service is. */
  state(state: ServiceState, reason?: string): void {
    this.anyway({ state, reason })
    this.#parts.events.change({})
  }

  /**
   * Writes a phase of a hand-over down before it is entered.
   * @param options `anyway`: it is entered also when that cannot be written down
   * @throws GupperError `no-space`, `cannot-write` (73), unless `anyway`
   */
  phase(phase: Phase, version: string, facts: Partial<Facts>, options: { anyway: boolean }): void {
    const { journal, events } = this.#parts
    if (options.anyway) this.anyway({ phase, ...facts })
    else journal.note({ phase, ...facts })
    events.tell('phase', { phase, version })
    events.change({})
  }

  /**
   * Notes what is so already. Where it cannot be written down that is said, once until it can be again: who has switched or
   * ended cannot stop half-way, and the next supervisor finishes what was written down before.
   */
  anyway(facts: Partial<Facts>, entry?: HistoryEntry): void {
    const { journal, observer } = this.#parts
    const trouble = journal.noteAnyway(facts, entry)
    if (trouble !== undefined && trouble !== this.#trouble) observer.warn(trouble)
    this.#trouble = trouble
  }
}
