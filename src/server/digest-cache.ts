import { createHash } from 'node:crypto'
import { appendFile, open, readFile, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Observer } from '../package/observer.ts'
import { makeDirectory } from '../store/durable.ts'

const form = /^(\d+:\d+:\d+:-?\d+:-?\d+) ([0-9a-f]{64})$/
const writeAfter = 1000 // ms in which digests are gathered for one append

/**
 * Digests that outlive the server: a file of "dev:ino:size:mtimeNs:ctimeNs digest" lines, only ever appended to, so that
 * a server that is killed loses at most its last lines. It lies in the cache, since the directory may be read-only.
 */
export class DigestCache {
  readonly #path: string | undefined
  readonly #observer: Observer
  #known = new Map<string, string>()
  #lines = 0
  #fresh: string[] = []
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  /**
   * @param cacheDir gupper's cache; undefined keeps nothing
   * @param dir the directory that is served
   */
  constructor(cacheDir: string | undefined, dir: string, observer: Observer) {
    const id = createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 32)
    this.#path = cacheDir === undefined ? undefined : join(cacheDir, 'index', id)
    this.#observer = observer
  }

  /** Reads what earlier runs left; lines that are torn or foreign are skipped. */
  async load(): Promise<void> {
    if (this.#path === undefined) return
    const text = await readFile(this.#path, 'latin1').catch(() => '')
    for (const line of text.split('\n')) {
      const [, stamp, hex] = form.exec(line) ?? []
      if (stamp === undefined || hex === undefined) continue
      this.#known.set(stamp, `sha256:${hex}`)
      this.#lines++
    }
  }

  get(stamp: string): string | undefined {
    return this.#known.get(stamp)
  }

  set(stamp: string, digest: string): void {
    if (this.#path === undefined) return
    this.#fresh.push(`${stamp} ${digest.slice(7)}`)
    this.#timer ??= setTimeout(() => void this.flush(), writeAfter).unref()
  }

  /**
   * Ends the start: from now on only new states of files are looked up, and these are not in it.
   * @param live the stamps of what is there; when most lines are about files that have gone, the file is written anew
   */
  async settle(live: ReadonlySet<string>): Promise<void> {
    const kept = [...this.#known].filter(([stamp]) => live.has(stamp))
    const wasteful = this.#lines > 2 * kept.length + 100
    this.#known = new Map()
    if (wasteful) await this.#write(() => this.#rewrite(kept))
    await this.flush()
  }

  /** Writes what is not yet written. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const lines = this.#fresh
    this.#fresh = []
    const path = this.#path
    if (lines.length === 0 || path === undefined) return this.#writing
    // The newline in front ends a line that a killed server may have left half written.
    await this.#write(() => appendFile(path, `\n${lines.join('\n')}\n`, { mode: 0o600 }))
  }

  async #write(work: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      try {
        await makeDirectory(join(this.#path ?? '', '..'), 0o700)
        await work()
      } catch (error) {
        this.#observer.debug(`digests are not kept for the next start: ${String(error)}`)
      }
    })
    return this.#writing
  }

  async #rewrite(lines: [string, string][]): Promise<void> {
    const path = this.#path ?? ''
    const temporary = `${path}.new` // one name, so that killed servers leave one file at most
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(lines.map(([stamp, digest]) => `${stamp} ${digest.slice(7)}\n`).join(''))
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path).catch(async (error: unknown) => {
      await rm(temporary, { force: true })
      throw error
    })
  }
}
