import type { Release } from '../activations/activation.ts'
import type { Observer } from '../package/observer.ts'
import { pin } from '../store/pins.ts'
import { readState } from '../store/target.ts'
import type { Settings } from './settings.ts'

/** What a service runs or may go back to, as those who install see it: they delete none of it. */
export class Pinned {
  readonly #parts: { settings: Settings; observer: Observer }
  #written: string | undefined
  #trouble: string | undefined

  constructor(parts: { settings: Settings; observer: Observer }) {
    this.#parts = parts
  }

  /** Pins these and no others. Where that cannot be written down it is said, once: no hand-over fails for it. */
  async keep(...releases: readonly (Release | undefined)[]): Promise<void> {
    const { settings, observer } = this.#parts
    const slots = [...new Set(releases.flatMap((release) => release?.slot ?? []))].sort()
    const text = slots.join('/')
    if (text === this.#written) return
    try {
      const { home } = await readState(settings.target)
      await pin(home, settings.name, slots)
      this.#written = text
      this.#trouble = undefined
    } catch (error) {
      const trouble = error instanceof Error ? error.message : String(error)
      if (trouble !== this.#trouble)
        observer.warn(`an install may delete what ${settings.name} runs: ${trouble}`)
      this.#trouble = trouble
    }
  }
}
