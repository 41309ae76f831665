import type { Server } from 'node:http'
import type { ListenAddress } from '../net/listening.ts'
import { silent, type Observer } from '../package/observer.ts'
import { Access } from './access.ts'
import { listen, makeHttpServer } from './listener.ts'
import { Router } from './routes.ts'
import type { ServiceView } from './service-view.ts'
import { Streams, type StreamLimits } from './streams.ts'
import { Token, type TokenSource } from './token.ts'

/** What the page of a service needs. */
export interface WebOptions {
  listen: ListenAddress
  view: ServiceView
  /** Who has it may look and act; the file is read anew for each request. */
  token: TokenSource
  /** Under which address people reach it, where that is not the one it listens on: "https://web.example/". */
  publicUrl?: string | undefined
  observer?: Observer | undefined
  limits?: Partial<StreamLimits> | undefined
}

/** The page of a service, being served. */
export interface Web {
  /** "http://127.0.0.1:9000" or "unix:/run/web.sock"; a person opens it with `/#token=…` behind it. */
  url: string
  /**
   * Ends the event streams, lets what is under way finish, and ends.
   * @param drainMs how long that may take; what is left then is cut. Default 2000
   */
  close: (drainMs?: number) => Promise<void>
}

/**
 * Serves the page of one service, its events, actions, health and metrics.
 * @returns when it listens
 * @throws GupperError `unreachable` (69) about the address; `config` (78) or `cannot-read` (69) about the token;
 *   `usage` (64) about publicUrl
 */
export async function openWeb(options: WebOptions): Promise<Web> {
  const { listen: address, view, publicUrl, observer = silent } = options
  const token = new Token(options.token, observer)
  await token.check()
  const access = new Access('path' in address ? undefined : address.host, publicUrl)
  const streams = new Streams(view, options.limits)
  const router = new Router({ view, access, token, streams, observer })
  const server = makeHttpServer()
  server.on('request', (req, res) => void router.serve(req, res))
  try {
    await streams.open()
    const url = await listen(server, address)
    const close = async (drainMs = 2000): Promise<void> => {
      streams.close()
      await drain(server, drainMs)
    }
    return { url, close }
  } catch (error) {
    streams.close()
    throw error
  }
}

async function drain(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(timer)
}
