import type { Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { Catalog } from './catalog.ts'
import { DigestCache } from './digest-cache.ts'
import { DirectoryIndex } from './directory-index.ts'
import { Watcher } from './watcher.ts'

/** What a repository is made from. */
export interface RepositoryOptions {
  dir: string
  settleMs: number
  cacheDir: string | undefined
  observer: Observer
  /** Told of each package that appears after the start. */
  onAppear: (record: PackageRecord) => void
}

/** A directory of packages, kept in memory: watcher → index → catalog. */
export class Repository {
  readonly catalog = new Catalog()
  readonly #options: RepositoryOptions
  readonly #digests: DigestCache
  readonly #index: DirectoryIndex
  readonly #watcher: Watcher
  #ready = false
  #present = true

  constructor(options: RepositoryOptions) {
    const { dir, settleMs, cacheDir, observer } = options
    const { catalog } = this
    this.#options = options
    this.#digests = new DigestCache(cacheDir, dir, observer)
    this.#index = new DirectoryIndex({ dir, catalog, digests: this.#digests, observer, settleMs })
    this.#watcher = new Watcher(
      dir,
      {
        touched: (name) => this.#index.touch(name),
        listed: (names, full) => this.#compare(names, full),
        present: (present) => (this.#present = present),
      },
      observer,
    )
  }

  /** Whether what the catalog says can be served. */
  get state(): 'ready' | 'starting' | 'gone' {
    if (!this.#present) return 'gone'
    return this.#ready ? 'ready' : 'starting'
  }

  /**
   * Begins to watch and to read.
   * @returns once the directory has been read; its `done` resolves when every file that lies there is in the catalog
   * @throws the system's error when the directory cannot be read
   */
  async start(): Promise<{ done: Promise<void> }> {
    const names = await this.#watcher.start()
    return { done: this.#readAll(names) }
  }

  async #readAll(names: readonly string[]): Promise<void> {
    await this.#digests.load()
    await this.#index.start(names)
    this.catalog.loaded()
    this.catalog.onAppear = this.#options.onAppear
    this.#ready = true
    await this.#digests.settle(new Set([...this.catalog.entries()].map(({ stamp }) => stamp)))
  }

  /** Has a file looked at again that is not what the catalog says. */
  touch(file: string): void {
    this.#index.touch(file)
  }

  /** Looks at the directory now rather than at the next regular time. */
  check(): Promise<void> {
    return this.#watcher.check()
  }

  async close(): Promise<void> {
    this.#watcher.close()
    this.#index.close()
    await this.#digests.flush()
  }

  #compare(names: readonly string[], full: boolean): void {
    const there = new Set(names)
    for (const name of this.#index.names()) if (!there.has(name)) this.#index.touch(name)
    for (const name of names) if (full || !this.#index.knows(name)) this.#index.touch(name)
  }
}
