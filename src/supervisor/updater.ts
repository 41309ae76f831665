import { isFailure, toFailure, type Item } from '../package/record.ts'
import { isAbort } from '../package/flow.ts'
import type { Operations } from './operations.ts'
import type { Supervisor } from './supervisor.ts'

const firstRetry = 5000 // ms
const longestRetry = 30 * 60_000

/** Follows a source: whatever wakes it, it looks for the newest, installs it and makes it live, one after the other. */
export class Updater {
  readonly #supervisor: Supervisor
  readonly #operations: Operations
  #wanted = false
  #running = false
  #failures = 0
  #timer: NodeJS.Timeout | undefined

  constructor(supervisor: Supervisor, operations: Operations) {
    this.#supervisor = supervisor
    this.#operations = operations
    operations.onThaw = () => this.wake()
    supervisor.signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true })
  }

  /** Something is new, or may be: looks now, or once more when it is done with what it does. */
  wake(): void {
    this.#wanted = true
    if (!this.#running) void this.#run()
  }

  async #run(): Promise<void> {
    const { journal } = this.#supervisor.parts
    this.#running = true
    clearTimeout(this.#timer)
    while (this.#wanted && !this.#supervisor.stopping) {
      this.#wanted = false
      // An update that comes now is looked for when the service is let go.
      if (journal.facts.frozen === true) break
      if (await this.#look()) this.#failures = 0
      else this.#retry()
    }
    this.#running = false
  }

  /** @returns whether all went well, or what did not is not to be tried again */
  async #look(): Promise<boolean> {
    const { events } = this.#supervisor.parts
    let good = true
    const tell = (item: Item): void => {
      if (!isFailure(item)) return
      // What failed its check or was taken back is held, and not tried again by itself.
      good &&= ['rejected', 'check-failed', 'not-ready', 'reverted', 'superseded'].includes(item.error.code)
      events.tell('update failed', { error: item.error })
    }
    try {
      for await (const item of this.#operations.check()) tell(item)
    } catch (thrown) {
      if (isAbort(thrown) || this.#supervisor.stopping) return true
      tell(toFailure('run', thrown))
    }
    return good
  }

  #retry(): void {
    if (this.#supervisor.stopping) return
    const pause = Math.min(longestRetry, firstRetry * 2 ** this.#failures++) * (0.5 + Math.random())
    this.#timer = setTimeout(() => this.wake(), pause)
  }
}
