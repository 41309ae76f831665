import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError } from '../errors.ts'
import { makeDirectory } from '../store/durable.ts'
import { keepReserve } from '../store/reserve.ts'

// What a program needs to be started, twice: its directory, its pipes and its environment. A disk can run out of files too.
const files = 16
const size = 8 * 1024

/** Room in the directory of a service, for a program that has to be started on a full disk. */
export class Room {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Keeps it aside, as far as there is any. */
  async keep(): Promise<void> {
    try {
      await makeDirectory(this.#directory, 0o700)
    } catch {
      return
    }
    for (let number = 0; number < files; number++)
      await keepReserve(join(this.#directory, String(number)), size)
  }

  /** Does what needs room; where that is lacking, once more with what was kept aside. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof GupperError) || error.code !== 'no-space') throw error
      await rm(this.#directory, { recursive: true, force: true })
      return work()
    }
  }
}
