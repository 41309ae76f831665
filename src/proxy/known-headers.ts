import type { IncomingMessage } from 'node:http'
import { HeaderError, requestHead } from './headers.ts'

const most = 1024 // blocks of headers that are remembered
const mark = '\u0000' // stands for the client's address; no header contains it

/** Headers that the program gets for headers that a client sent; the client's address goes in between. */
interface Known {
  before: string
  after: string
}

/** Blocks of headers that node:http has read, with what becomes of them. */
export class KnownHeaders {
  readonly #known = new Map<string, Known>()

  /** What the program gets for these bytes from the end of the request line on. */
  find(block: string): Known | undefined {
    return this.#known.get(block)
  }

  /**
   * Remembers the headers of a request that node:http has read.
   * @param text its bytes, which are it and nothing else
   */
  remember(text: string, req: IncomingMessage): void {
    const block = text.slice(text.indexOf('\r\n'))
    if (req.httpVersion !== '1.1' || this.#known.has(block)) return
    try {
      const { headers } = requestHead(req.rawHeaders, { address: mark, trusted: false })
      let all = ''
      for (let i = 0; i < headers.length; i += 2) all += `\r\n${headers[i] ?? ''}: ${headers[i + 1] ?? ''}`
      const [before = '', after = '', ...more] = `${all}\r\n\r\n`.split(mark)
      if (more.length > 0) return
      if (this.#known.size >= most) this.#known.clear()
      this.#known.set(block, { before, after })
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error
    }
  }
}

/**
 * Whether bytes are one GET as a whole, on a connection that goes on: the next byte then begins another. A line feed on its
 * own could end the request earlier.
 */
export function isWhole(text: string): boolean {
  return (
    text.startsWith('GET ') &&
    text.indexOf('\r\n\r\n') === text.length - 4 &&
    !/[^\r]\n|\n(?:content-length|transfer-encoding|upgrade|expect|x-forwarded-proto|x-forwarded-host)[ \t]*:/i.test(
      text,
    ) &&
    !/\nconnection[ \t]*:(?![ \t]*keep-alive[ \t]*\r)/i.test(text)
  )
}
