import { lstatSync, watch, type BigIntStats, type FSWatcher } from 'node:fs'
import { join } from 'node:path'

const everyMs = 2000

/**
 * Notices when a signed repository has something new: its timestamp.json is replaced last. By the system's events, and by
 * a look every two seconds for what these miss, also for a repository that is made later.
 */
export class TimestampWatch {
  readonly #folder: string
  readonly #changed: () => void
  #watch: FSWatcher | undefined
  #timer: NodeJS.Timeout | undefined
  #identity = ''
  #stamp = ''

  /**
   * @param dir the repository
   * @param changed called when timestamp.json is another one
   */
  constructor(dir: string, changed: () => void) {
    this.#folder = join(dir, 'metadata')
    this.#changed = changed
  }

  /** Begins to watch; what is there already is not told. */
  start(): void {
    this.#follow()
    this.#stamp = this.#read()
    this.#timer = setInterval(() => this.check(), everyMs).unref()
  }

  /** Looks now rather than at the next regular time. */
  check(): void {
    this.#follow()
    const stamp = this.#read()
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    if (stamp !== '') this.#changed()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#watch?.close()
    this.#watch = undefined
  }

  #read(): string {
    const stat = look(join(this.#folder, 'timestamp.json'))
    return stat?.isFile() ? `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}` : ''
  }

  #follow(): void {
    const stat = look(this.#folder)
    const identity = stat?.isDirectory() ? `${stat.dev}:${stat.ino}` : ''
    if (identity === this.#identity && (this.#watch || identity === '')) return
    this.#watch?.close()
    this.#watch = undefined
    this.#identity = identity
    if (identity === '') return
    try {
      this.#watch = watch(this.#folder, { persistent: false }, (_type, name) => {
        if (name === null || name === 'timestamp.json') this.check()
      })
      this.#watch.on('error', () => {
        this.#watch?.close()
        this.#watch = undefined
      })
    } catch {
      // The regular look finds it, a little later.
    }
  }
}

function look(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false })
  } catch {
    return undefined
  }
}
