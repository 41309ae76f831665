import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Observer } from '../package/observer.ts'
import type { Access } from './access.ts'
import { readAction, serveAction } from './actions.ts'
import { commonHeaders, refuse, sendJson, sendText } from './answer.ts'
import { healthOf } from './health.ts'
import { renderMetrics } from './metrics.ts'
import { page, pagePolicy } from './page.ts'
import type { ServiceView } from './service-view.ts'
import type { Streams } from './streams.ts'
import type { Token } from './token.ts'

/** What the routes lead to. */
export interface RouterOptions {
  view: ServiceView
  access: Access
  token: Token
  streams: Streams
  observer: Observer
}

type Serve = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>

const actionPath = '/actions/'

/** Leads each request to what answers it. */
export class Router {
  readonly #options: RouterOptions
  readonly #open: ReadonlyMap<string, Serve>
  readonly #guarded: ReadonlyMap<string, Serve>

  constructor(options: RouterOptions) {
    this.#options = options
    const { view, streams } = options
    this.#open = new Map<string, Serve>([
      ['/', sendPage],
      ['/healthz', (_, res) => sendHealth(res, view)],
      ['/metrics', (_, res) => sendMetrics(res, view)],
    ])
    // What a program logs and does is nobody else's business.
    this.#guarded = new Map<string, Serve>([
      ['/events', (req, res) => streams.serve(req, res)],
      ['/status', async (_, res) => sendJson(res, 200, await view.status())],
    ])
  }

  /** Answers one request, whatever happens. */
  async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(commonHeaders)) res.setHeader(name, value)
    try {
      await this.#lead(req, res)
    } catch (error) {
      if (req.destroyed && !req.complete) return // gone before it had said what it wants
      this.#options.observer.error(`${req.method ?? ''} ${pathOf(req)} failed: ${String(error)}`)
      if (res.headersSent) res.destroy()
      else refuse(res, 500, 'bug', 'something went wrong here')
    }
  }

  async #lead(req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!this.#options.access.isForUs(req)) {
      const hint = 'use the address it listens on, or tell it under which name it is reached'
      refuse(res, 421, 'denied', 'the Host field names another place', {}, hint)
      return
    }
    const path = pathOf(req)
    if (path.startsWith(actionPath)) return this.#act(req, res, path.slice(actionPath.length))
    const open = this.#open.get(path)
    const serve = open ?? this.#guarded.get(path)
    if (!serve) refuse(res, 404, 'not-found', 'nothing here')
    else if (req.method !== 'GET' && req.method !== 'HEAD')
      refuse(res, 405, 'usage', 'only GET and HEAD', { Allow: 'GET, HEAD' })
    else if (open || (await this.#admit(req, res))) await serve(req, res)
  }

  async #act(req: IncomingMessage, res: ServerResponse, word: string): Promise<void> {
    const { access, view, observer } = this.#options
    const action = readAction(word)
    if (!action) refuse(res, 404, 'not-found', 'no such action')
    else if (req.method !== 'POST') refuse(res, 405, 'usage', 'only POST', { Allow: 'POST' })
    else if (!access.isSameOrigin(req)) refuse(res, 403, 'denied', 'asked for by a page from elsewhere')
    else if (await this.#admit(req, res)) await serveAction(req, res, action, view, observer)
  }

  async #admit(req: IncomingMessage, res: ServerResponse): Promise<boolean> {
    if (await this.#options.token.allow(req.headers.authorization)) return true
    refuse(res, 401, 'denied', 'a token is needed', { 'WWW-Authenticate': 'Bearer realm="gupper"' })
    return false
  }
}

// A request to a proxy names the whole URL (RFC 9112 §3.2.2) and has to be understood too.
function pathOf({ url = '/' }: IncomingMessage): string {
  const path = url.split('?', 1)[0] ?? '/'
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/i, '') || '/'
}

function sendPage(_: IncomingMessage, res: ServerResponse): void {
  sendText(res, 200, 'text/html; charset=utf-8', page, { 'Content-Security-Policy': pagePolicy })
}

async function sendHealth(res: ServerResponse, view: ServiceView): Promise<void> {
  const { status, text } = healthOf(await view.status())
  sendText(res, status, 'text/plain; charset=utf-8', `${text}\n`)
}

async function sendMetrics(res: ServerResponse, view: ServiceView): Promise<void> {
  const { text, type } = await renderMetrics(view)
  sendText(res, 200, type, text)
}
