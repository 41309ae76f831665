import { GupperError } from '../errors.ts'
import type { Activated } from './events.ts'

/** An update that is under way, which people may break off. */
export class Update {
  readonly #undo = new AbortController()
  /** What it came to, once it has ended. */
  activated: Activated | undefined

  /** Aborted when it is broken off. */
  get undone(): AbortSignal {
    return this.#undo.signal
  }

  /** Whether it has come to nothing: what ran before runs. */
  get isOff(): boolean {
    return this.activated?.state === 'aborted' || this.activated?.state === 'reverted'
  }

  /** Breaks it off: what ran before goes on, or runs again. */
  undo(): void {
    this.#undo.abort(goneBack())
  }
}

/** The update that is under way, if one is. */
export class Updates {
  #now: Update | undefined

  /** Does what can be broken off; what it does may be a part of what can be already. */
  async breakable<T>(work: (update: Update) => Promise<T>): Promise<T> {
    const update = (this.#now ??= new Update())
    try {
      return await work(update)
    } finally {
      this.#now = undefined
    }
  }

  get now(): Update | undefined {
    return this.#now
  }

  /** Breaks it off. @returns it */
  undo(): Update | undefined {
    this.#now?.undo()
    return this.#now
  }
}

/** What whoever wanted an update is told when people went back before it was done. */
export function goneBack(): GupperError {
  return new GupperError('superseded', 'it was rolled back meanwhile', {
    hint: 'to install it all the same: gupper install --again; and let the service follow again: gupper unfreeze NAME',
  })
}
