import type { Server } from 'node:http'
import type { ListenAddress } from '../net/listening.ts'
import { silent, type Observer } from '../package/observer.ts'
import { Access } from './access.ts'
import { refuse } from './answer.ts'
import { listen, makeHttpServer } from './listener.ts'
import { Router } from './routes.ts'
import type { ServiceView } from './service-view.ts'
import { Streams, type StreamLimits } from './streams.ts'
import { Token, type TokenSource } from './token.ts'

/** What the page of a service needs before the service is there. */
export interface WebPlaceOptions {
  listen: ListenAddress
  /** Who has it may look and act; the file is read anew for each request. */
  token: TokenSource
  /** Under which address people reach it, where that is not the one it listens on: "https://web.example/". */
  publicUrl?: string | undefined
  observer?: Observer | undefined
  limits?: Partial<StreamLimits> | undefined
}

/** What the page of a service needs. */
export interface WebOptions extends WebPlaceOptions {
  view: ServiceView
}

/** The page of a service, being served; until there is a service, it says 503. */
export interface Web {
  /** "http://127.0.0.1:9000" or "unix:/run/web.sock"; a person opens it with `/#token=…` behind it. */
  url: string
  /**
   * Ends the event streams, lets what is under way finish, and ends.
   * @param drainMs how long that may take; what is left then is cut. Default 2000
   */
  close: (drainMs?: number) => Promise<void>
}

/** The page of a service that is yet to come. */
export interface WebPlace extends Web {
  /** Serves the page of this service from now on. */
  serve(view: ServiceView): Promise<void>
}

/** Serves the page of one service; see {@link openWebPlace}. */
export async function openWeb({ view, ...options }: WebOptions): Promise<Web> {
  const place = await openWebPlace(options)
  await place.serve(view)
  return place
}

/**
 * Listens for the page of one service, its events, actions, health and metrics.
 * @returns when it listens
 * @throws GupperError `unreachable` (69) about the address; `config` (78) or `cannot-read` (69) about the token;
 *   `usage` (64) about publicUrl
 */
export async function openWebPlace(options: WebPlaceOptions): Promise<WebPlace> {
  const { listen: address, publicUrl, observer = silent } = options
  const token = new Token(options.token, observer)
  await token.check()
  const access = new Access('path' in address ? undefined : address.host, publicUrl)
  const server = makeHttpServer()
  let streams: Streams | undefined
  let router: Router | undefined
  server.on('request', (req, res) => {
    if (router) void router.serve(req, res)
    else refuse(res, 503, 'not-running', 'the service is being started', { 'Retry-After': '1' })
  })
  const url = await listen(server, address)
  return {
    url,
    async serve(view) {
      streams = new Streams(view, options.limits)
      await streams.open()
      router = new Router({ view, access, token, streams, observer })
    },
    async close(drainMs = 2000) {
      streams?.close()
      await drain(server, drainMs)
    },
  }
}

async function drain(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(timer)
}
