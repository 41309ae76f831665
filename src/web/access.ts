import type { IncomingMessage } from 'node:http'
import { GupperError } from '../errors.ts'
import { bracket } from '../net/listening.ts'

// A host name or address, and a port: nothing that could become another part of a URL.
const hostForm = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** Under which names the page may be asked for, and from where it may be acted upon. */
export class Access {
  readonly #names = new Set(['localhost', '127.0.0.1', '[::1]'])
  readonly #origin: string | undefined

  /**
   * @param host what it listens on, where that is an address or name
   * @param publicUrl under which address people reach it, where that is another
   * @throws GupperError `usage` (64) when publicUrl is no http(s) URL
   */
  constructor(host: string | undefined, publicUrl: string | undefined) {
    if (host !== undefined) this.#names.add(bracket(host).toLowerCase())
    if (publicUrl === undefined) return
    const url = URL.canParse(publicUrl) ? new URL(publicUrl) : undefined
    if (!url || !/^https?:$/.test(url.protocol))
      throw new GupperError('usage', `not an address like https://HOST/: ${publicUrl}`)
    this.#origin = url.origin
    this.#names.add(url.hostname)
  }

  /**
   * Whether a request was meant for us. A page from elsewhere whose name suddenly leads here (DNS rebinding) counts as of
   * our origin to a browser; its `Host` tells it apart.
   */
  isForUs({ headers, socket }: IncomingMessage): boolean {
    const name = urlOf(headers.host)?.hostname
    if (name === undefined) return false
    const local = socket.localAddress?.replace(/^::ffff:(?=\d+\.)/, '')
    return this.#names.has(name) || (local !== undefined && name === bracket(local))
  }

  /** Whether it is our own page that asks, or no page at all: what browsers say of it must fit, where they do. */
  isSameOrigin({ headers }: IncomingMessage): boolean {
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin') return false
    const { origin } = headers
    if (origin === undefined) return true
    if (!URL.canParse(origin)) return false
    // Of https in front of us we know nothing: the host has to do.
    return origin === this.#origin || new URL(origin).host === urlOf(headers.host)?.host
  }
}

function urlOf(host: string | undefined): URL | undefined {
  if (host === undefined || !hostForm.test(host)) return undefined
  const url = `http://${host}`
  return URL.canParse(url) ? new URL(url) : undefined
}
