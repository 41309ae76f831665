import { createHash, timingSafeEqual } from 'node:crypto'
import { unwatchFile, watchFile } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { GupperError, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'

/**
 * The tokens of a file, one a line; empty lines and those that begin with # do not count. The file is read again when
 * it changes, so that a token can be taken back while the server runs.
 */
export class Tokens {
  readonly #path: string
  readonly #observer: Observer
  #digests: Buffer[] = []

  constructor(path: string, observer: Observer) {
    this.#path = path
    this.#observer = observer
  }

  /**
   * Reads the file and goes on to watch it.
   * @throws GupperError `config` (78) when it holds no token, `cannot-read` (69) when it cannot be read
   */
  async load(): Promise<void> {
    await this.#read()
    watchFile(this.#path, { persistent: false, interval: 1000 }, () => void this.#reload())
  }

  close(): void {
    unwatchFile(this.#path)
  }

  /**
   * Whether a request may pass.
   * @param authorization `Bearer TOKEN`, or `Basic …` with a token as the password
   */
  allow(authorization: string | undefined): boolean {
    if (authorization === undefined) return false
    const [, scheme = '', value = ''] = /^(\S+) +(\S+)\s*$/.exec(authorization) ?? []
    const given = digest(tokenIn(scheme.toLowerCase(), value) ?? '')
    // All are compared, and digests instead of tokens: the time taken tells neither which one nor how much of it fits.
    let allowed = false
    for (const known of this.#digests) allowed = timingSafeEqual(known, given) || allowed
    return allowed
  }

  async #read(): Promise<void> {
    const path = this.#path
    const doing = `cannot read the tokens in ${path}`
    const { mode } = await explaining(doing, () => stat(path), true)
    if (process.platform !== 'win32' && (mode & 0o004) !== 0)
      this.#observer.warn(`the tokens in ${path} can be read by everyone here`, { hint: `chmod o-r ${path}` })
    const text = await explaining(doing, () => readFile(path, 'utf8'), true)
    const lines = text.split('\n').map((line) => line.trim())
    const tokens = lines.filter((line) => line !== '' && !line.startsWith('#'))
    if (tokens.length === 0) {
      throw new GupperError('config', `no token in ${path}`, { hint: 'write one a line into it' })
    }
    this.#digests = tokens.map(digest)
  }

  async #reload(): Promise<void> {
    try {
      await this.#read()
      this.#observer.info(`read the tokens in ${this.#path} again`)
    } catch (error) {
      // A file that is being replaced must not open the doors, nor lock everybody out.
      this.#observer.warn(`the tokens known before stay: ${(error as Error).message}`)
    }
  }
}

function tokenIn(scheme: string, value: string): string | undefined {
  if (scheme === 'bearer') return value
  if (scheme !== 'basic') return undefined
  const pair = Buffer.from(value, 'base64').toString('utf8')
  return pair.includes(':') ? pair.slice(pair.indexOf(':') + 1) : undefined
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
