import { createHash, timingSafeEqual } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { GupperError, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'

/** The token itself, or the file that holds it. */
export type TokenSource = string | { file: string }

/** Whoever has it may look and act. A file is read for every request, so that another token counts at once. */
export class Token {
  readonly #source: TokenSource
  readonly #observer: Observer

  constructor(source: TokenSource, observer: Observer) {
    this.#source = source
    this.#observer = observer
  }

  /**
   * Looks whether there is one.
   * @throws GupperError `config` (78) when it is empty, or nothing that fits into a header; `cannot-read` (69)
   */
  async check(): Promise<void> {
    await this.#read()
    if (typeof this.#source === 'string' || process.platform === 'win32') return
    const { file } = this.#source
    const { mode } = await explaining(`cannot read the token in ${file}`, () => stat(file), true)
    if ((mode & 0o077) !== 0)
      this.#observer.warn(`the token in ${file} can be read by others`, { hint: `chmod 600 ${file}` })
  }

  /**
   * Whether a request may pass. Without a readable token nobody may.
   * @param authorization `Bearer TOKEN`
   */
  async allow(authorization: string | undefined): Promise<boolean> {
    const [, given] = /^Bearer +(\S+)\s*$/i.exec(authorization ?? '') ?? []
    if (given === undefined) return false
    try {
      // Digests instead of tokens: the time taken tells nothing of how much of it fits.
      return timingSafeEqual(digest(given), digest(await this.#read()))
    } catch (error) {
      this.#observer.warn(`nobody can use the page: ${(error as Error).message}`)
      return false
    }
  }

  async #read(): Promise<string> {
    const source = this.#source
    const where = typeof source === 'string' ? '' : ` in ${source.file}`
    const text =
      typeof source === 'string'
        ? source
        : await explaining(`cannot read the token${where}`, () => readFile(source.file, 'utf8'), true)
    const token = text.trim()
    if (/^[\x21-\x7e]+$/.test(token)) return token
    const message =
      token === '' ? `no token${where}` : `no token${where}: it holds more than one word of ASCII`
    throw new GupperError('config', message, { hint: 'make one with: openssl rand -hex 32' })
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
