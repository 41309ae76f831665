import type { IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { GupperError } from '../errors.ts'
import { bracket } from '../net/listening.ts'

// A host name or address, and a port: nothing that could become another part of a URL or of a page.
const hostForm = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/**
 * Under which address the client knows this server, for absolute URLs: what it wrote into `Host`, checked by its form.
 * `X-Forwarded-*` is not believed, since anyone can send it; behind a proxy `--public-url` says it.
 * @returns "http://repo:8080", or undefined when `Host` is no host
 */
export function originOf(req: IncomingMessage): string | undefined {
  const scheme = (req.socket as Partial<TLSSocket>).encrypted === true ? 'https' : 'http'
  const { host } = req.headers
  if (host !== undefined && host !== '') return hostForm.test(host) ? `${scheme}://${host}` : undefined
  const { localAddress = 'localhost', localPort = 0 } = req.socket
  return `${scheme}://${bracket(localAddress)}:${localPort}`
}

/**
 * Reads what was given as --public-url.
 * @returns it without a slash at the end
 * @throws GupperError `usage` when it is not an http(s) URL, or has a query
 */
export function readPublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const good =
    url && /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === ''
  if (!good) throw new GupperError('usage', `--public-url is not an address like https://HOST/: ${text}`)
  return url.href.replace(/\/+$/, '')
}

/** The URL of a file of the server at `base`. */
export function downloadUrl(base: string, file: string): string {
  return `${base}/download/${encodeURIComponent(file)}`
}
