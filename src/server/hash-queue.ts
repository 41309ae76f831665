import { hashUnchanged, type Hashed } from './hash.ts'

const jobs = 4 // files hashed at once

/** What comes of a file: called, it gives what {@link hashUnchanged} did, or throws what it threw. */
export type Outcome = () => Hashed | undefined

interface Job {
  name: string
  path: string
  stamp: string
}

/** Hashes files, a few at a time, and tells what came of each. */
export class HashQueue {
  readonly #done: (name: string, stamp: string, outcome: Outcome) => void
  #jobs: Job[] = []
  #working = 0

  constructor(done: (name: string, stamp: string, outcome: Outcome) => void) {
    this.#done = done
  }

  /**
   * @param stamp what the file looked like when it was found to be whole
   */
  add(name: string, path: string, stamp: string): void {
    this.#jobs.push({ name, path, stamp })
    if (this.#working < jobs) void this.#work()
  }

  /** Forgets what has not begun. */
  clear(): void {
    this.#jobs = []
  }

  async #work(): Promise<void> {
    this.#working++
    for (let job = this.#jobs.pop(); job; job = this.#jobs.pop()) {
      const { name, path, stamp } = job
      const outcome = await hashUnchanged(path, stamp).then(
        (hashed) => () => hashed,
        (error: unknown) => () => {
          throw error
        },
      )
      this.#done(name, stamp, outcome)
    }
    this.#working--
  }
}
