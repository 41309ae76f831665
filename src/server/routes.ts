import { GupperError } from '../errors.ts'
import { parseFilter } from '../package/filter.ts'
import type { Catalog } from './catalog.ts'
import type { Route } from './counters.ts'
import type { Downloads } from './download.ts'
import type { Events } from './events.ts'
import type { Answers, Exchange } from './exchange.ts'
import type { Listing } from './listing.ts'
import type { Metrics } from './metrics.ts'
import { originOf } from './origin.ts'
import { pagePolicy, renderPage } from './page.ts'
import type { SignedFiles } from './signed-files.ts'
import type { Tokens } from './tokens.ts'

/** What the routes lead to. */
export interface RouterOptions {
  answers: Answers
  catalog: Catalog
  listing: Listing
  downloads: Downloads
  signed: SignedFiles
  events: Events
  metrics: Metrics
  tokens: Tokens | undefined
  publicUrl: string | undefined
  /** Whether the list is there: ready; being made; or the directory has gone. */
  state: () => 'ready' | 'starting' | 'gone'
  /** Resolves when the first list is made, or has taken too long. */
  started: () => Promise<void>
}

const challenge = [
  'WWW-Authenticate',
  'Bearer realm="gupper"',
  'WWW-Authenticate',
  'Basic realm="gupper", charset="UTF-8"',
]

/** Which route a path belongs to. */
export function routeOf(path: string): Route {
  if (path === '/list') return 'list'
  if (path.startsWith('/download/')) return 'download'
  if (path.startsWith('/metadata/')) return 'metadata'
  if (path.startsWith('/targets/')) return 'targets'
  if (path === '/events') return 'events'
  if (path === '/healthz') return 'healthz'
  if (path === '/') return 'page'
  return path === '/metrics' ? 'metrics' : 'other'
}

/** Leads each request to what answers it. */
export class Router {
  readonly #options: RouterOptions

  constructor(options: RouterOptions) {
    this.#options = options
  }

  /** Answers one request. */
  serve(exchange: Exchange): void {
    const { answers, tokens, state } = this.#options
    const { req } = exchange
    const path = pathOf(req.url ?? '/')
    exchange.route = routeOf(path)
    if (exchange.route === 'healthz' && isReading(req.method)) {
      this.#sendText(exchange, 'ok\n', 'text/plain; charset=utf-8')
      return
    }
    if (tokens && !tokens.allow(req.headers.authorization)) {
      answers.refuse(exchange, 401, 'a token is needed', challenge)
      return
    }
    if (exchange.route === 'other') {
      answers.refuse(exchange, 404, 'nothing here')
      return
    }
    if (!isReading(req.method)) {
      answers.refuse(exchange, 405, 'only GET and HEAD', ['Allow', 'GET, HEAD'])
      return
    }
    if (exchange.route === 'metrics') return void this.#sendMetrics(exchange)
    // What is signed is read where it lies: nothing has to be made first.
    const { route } = exchange
    if ((route === 'metadata' || route === 'targets') && state() !== 'gone')
      void this.#options.signed.serve(exchange, route, path.slice(route.length + 2))
    else if (state() === 'ready') this.#serveReady(exchange, path)
    else void this.#wait(exchange, path)
  }

  async #wait(exchange: Exchange, path: string): Promise<void> {
    const { answers, state, started } = this.#options
    if (state() === 'starting') await started()
    if (state() === 'ready') this.#serveReady(exchange, path)
    else if (state() === 'gone')
      answers.refuse(exchange, 503, 'the directory of the packages is not there', ['Retry-After', '10'])
    else answers.refuse(exchange, 503, 'the packages are still being read', ['Retry-After', '5'])
  }

  #serveReady(exchange: Exchange, path: string): void {
    const { listing, downloads } = this.#options
    const { route } = exchange
    if (route === 'list') listing.serve(exchange, () => this.#base(exchange))
    else if (route === 'download') downloads.serve(exchange, path.slice('/download/'.length))
    else this.#servePlaced(exchange)
  }

  /** The routes that cannot do without an address. */
  #servePlaced(exchange: Exchange): void {
    const { answers, catalog, events } = this.#options
    const base = this.#base(exchange)
    if (base === undefined) {
      answers.refuse(exchange, 400, 'the Host field names no host')
      return
    }
    if (exchange.route === 'page') {
      this.#sendText(exchange, renderPage(catalog, base), 'text/html; charset=utf-8', [
        'Content-Security-Policy',
        pagePolicy,
        'Referrer-Policy',
        'no-referrer',
      ])
      return
    }
    try {
      const { url = '' } = exchange.req
      const at = url.indexOf('?')
      events.serve(exchange, parseFilter(new URLSearchParams(at < 0 ? '' : url.slice(at + 1))), base)
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      answers.refuse(exchange, 400, error.message)
    }
  }

  async #sendMetrics(exchange: Exchange): Promise<void> {
    try {
      const { text, type } = await this.#options.metrics.render()
      this.#sendText(exchange, text, type)
    } catch (error) {
      this.#options.answers.refuse(exchange, 500, `no metrics: ${String(error)}`)
    }
  }

  #sendText(exchange: Exchange, text: string, type: string, headers: readonly string[] = []): void {
    const body = Buffer.from(text)
    const common = ['Content-Type', type, 'Content-Length', String(body.length), 'Cache-Control', 'no-cache']
    this.#options.answers.send(
      exchange,
      200,
      [...common, 'X-Content-Type-Options', 'nosniff', ...headers],
      body,
    )
  }

  #base({ req }: Exchange): string | undefined {
    return this.#options.publicUrl ?? originOf(req)
  }
}

function isReading(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD'
}

// A request to a proxy names the whole URL (RFC 9112 §3.2.2) and has to be understood too.
function pathOf(url: string): string {
  const query = url.indexOf('?')
  const path = query < 0 ? url : url.slice(0, query)
  return path.startsWith('/') ? path : path.replace(/^https?:\/\/[^/]*/i, '') || '/'
}
