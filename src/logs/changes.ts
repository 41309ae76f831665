import { watch, type FSWatcher } from 'node:fs'

/** Tells that something has changed in a directory. */
export class Changes {
  readonly #watcher: FSWatcher
  readonly #signal: AbortSignal | undefined
  #changed = false
  #ended = false
  #wake: (() => void) | undefined
  readonly #end = (): void => {
    this.#ended = true
    this.#wake?.()
  }

  /** @throws the system's error when the directory cannot be watched */
  constructor(directory: string, signal?: AbortSignal) {
    this.#watcher = watch(directory, () => {
      this.#changed = true
      this.#wake?.()
    })
    this.#watcher.on('error', this.#end)
    this.#signal = signal
    if (signal?.aborted) this.#ended = true
    signal?.addEventListener('abort', this.#end)
  }

  /** Waits for a change since this was called last. @returns false when there will be no more */
  async next(): Promise<boolean> {
    while (!this.#changed && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    this.#changed = false
    return !this.#ended
  }

  /** Watches no more. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#end)
    this.#watcher.close()
  }
}
