import { stat } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { resolve } from 'node:path'
import { GupperError, explaining } from '../errors.ts'
import { listenAt } from '../net/listening.ts'
import { silent, type Observer } from '../package/observer.ts'
import { AccessLog, type LogSink } from './access-log.ts'
import { Counters } from './counters.ts'
import { Downloads } from './download.ts'
import { eventLimits, Events, type EventLimits } from './events.ts'
import { Answers } from './exchange.ts'
import { ExpressLane } from './express-lane.ts'
import { makeHttpServer, type TlsFiles } from './listener.ts'
import { Listing } from './listing.ts'
import { Metrics } from './metrics.ts'
import { readPublicUrl } from './origin.ts'
import { Repository } from './repository.ts'
import { Router } from './routes.ts'
import { SignedFiles } from './signed-files.ts'
import { TimestampWatch } from './timestamp-watch.ts'
import { Tokens } from './tokens.ts'

const leastSettle = 20 // ms; without any, a file that is open for writing would be asked about without a pause

/** How packages are served. */
export interface ServerOptions {
  /** The directory whose files are served. */
  dir: string
  /** Default 8080; 0 takes any that is free. */
  port?: number | undefined
  /** The address to listen on; by default all of this machine's. */
  host?: string | undefined
  tls?: TlsFiles | undefined
  /** A file of tokens, one a line; without it everyone may read. */
  tokenFile?: string | undefined
  /** The server's address as clients know it, where they reach it through a proxy. */
  publicUrl?: string | undefined
  /** How long a file must lie unchanged before it is listed, ms. Default 1000. */
  settleMs?: number | undefined
  /** Gupper's cache directory, where digests are kept for the next start; without it they are not. */
  cacheDir?: string | undefined
  observer?: Observer | undefined
  /** Where the access log goes; without it there is none. */
  accessLog?: { sink: LogSink; format: 'text' | 'json' } | undefined
  /** How long requests wait for the first list before they are sent away, ms. Default 30 000. */
  startMs?: number | undefined
  events?: Partial<EventLimits> | undefined
}

/** A package server that listens. */
export interface PackageServer {
  /** Where this machine reaches it: "http://localhost:8080". */
  readonly url: string
  readonly port: number
  /** Resolves when every file that lay in the directory at the start is listed. */
  readonly ready: Promise<void>
  /** How many packages are listed right now. */
  readonly packages: number
  /** Looks at the directory now rather than at the next regular time. */
  check(): Promise<void>
  /**
   * Accepts nothing new, lets what is under way finish, and ends.
   * @param drainMs how long downloads may still take; what is left then is cut. Default 30 000
   */
  close(drainMs?: number): Promise<void>
}

/**
 * Starts to serve a directory of packages over HTTP.
 * @returns when it listens; the list may still be in the making, requests wait for it
 * @throws GupperError `cannot-read` (69) about the directory, the certificate or the tokens; `unreachable` (69) about
 *   the port; `config` (78) when there is no token in the file or the certificate is none; `usage` (64)
 */
export async function startServer(options: ServerOptions): Promise<PackageServer> {
  const { port = 8080, host, observer = silent, cacheDir, startMs = 30_000 } = options
  const settleMs = Math.max(leastSettle, options.settleMs ?? 1000)
  const dir = resolve(options.dir)
  const publicUrl = options.publicUrl === undefined ? undefined : readPublicUrl(options.publicUrl)
  const tokens = options.tokenFile === undefined ? undefined : new Tokens(options.tokenFile, observer)
  const log = options.accessLog && new AccessLog(options.accessLog.sink, options.accessLog.format)
  const counters = new Counters()
  const answers = new Answers(counters, log)
  const events = new Events(answers, { ...eventLimits, ...options.events })
  const onAppear = events.publish.bind(events)
  const repository = new Repository({ dir, settleMs, cacheDir, observer, onAppear })
  const { catalog } = repository
  const timestamp = new TimestampWatch(dir, () => events.publish())

  await checkDirectory(dir)
  const { server, forget } = await makeHttpServer(options.tls, observer)
  await tokens?.load()
  const late = AbortSignal.timeout(startMs)
  let ready: Promise<void> = Promise.resolve()
  const router = new Router({
    answers,
    catalog,
    listing: new Listing(catalog, answers),
    downloads: new Downloads({ dir, catalog, answers, touch: (file) => repository.touch(file) }),
    signed: new SignedFiles(dir, answers),
    events,
    metrics: new Metrics({ counters, catalog, events }),
    tokens,
    publicUrl,
    state: () => repository.state,
    started: () => firstOf(ready, late),
  })
  // Not with tokens, which can be taken back, nor with TLS, where reading a request is the least of the work.
  if (!tokens && !options.tls) {
    answers.lane = new ExpressLane(catalog, answers, () => repository.state === 'ready')
    answers.lane.attach(server)
  }
  server.on(options.tls ? 'secureConnection' : 'connection', (socket: Socket) => answers.meet(socket))
  handle(server, router, answers, observer)
  server.on('drop', () => counters.dropped++)
  const stopAll = async (): Promise<void> => {
    tokens?.close()
    timestamp.close()
    forget()
    await repository.close()
  }
  try {
    const url = await listenAt(
      server,
      { host, port },
      { flag: '--host, --port', scheme: options.tls ? 'https' : 'http' },
    )
    const { done } = await explaining(`cannot serve ${dir}`, () => repository.start(), true)
    ready = done
    timestamp.start()
    done.catch((error: unknown) => observer.error(`${dir} could not be read: ${String(error)}`))
    return {
      url,
      port: Number(new URL(url).port),
      ready: done,
      get packages() {
        return catalog.packages
      },
      check: () => {
        timestamp.check()
        return repository.check()
      },
      close: async (drainMs = 30_000) => {
        answers.draining = true
        events.close()
        await drain(server, drainMs)
        await stopAll()
        log?.flush()
      },
    }
  } catch (error) {
    server.close()
    await stopAll()
    throw error
  }
}

async function checkDirectory(dir: string): Promise<void> {
  const stats = await explaining(`cannot serve ${dir}`, () => stat(dir), true)
  if (!stats.isDirectory())
    throw new GupperError('cannot-read', `cannot serve ${dir}: it is not a directory`, {
      hint: 'give the directory that holds the packages',
    })
}

function handle(server: Server, router: Router, answers: Answers, observer: Observer): void {
  const serve = (req: IncomingMessage, res: ServerResponse): void => {
    const lane = answers.lane?.stateOf(req.socket)
    if (lane) lane.open++
    const exchange = { req, res, lane, route: 'other' as const, start: performance.now() }
    try {
      router.serve(exchange)
    } catch (error) {
      observer.error(`${req.method ?? ''} ${req.url ?? ''} failed: ${String(error)}`)
      if (res.headersSent) res.destroy()
      else answers.refuse(exchange, 500, 'something went wrong here')
    }
  }
  server.on('request', serve)
  // Nobody's body is wanted: answered without asking for it.
  server.on('checkContinue', serve)
}

async function drain(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  const timer = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearTimeout(timer)
}

async function firstOf(ready: Promise<void>, late: AbortSignal): Promise<void> {
  if (late.aborted) return
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      late.removeEventListener('abort', finish)
      resolve()
    }
    late.addEventListener('abort', finish)
    ready.then(finish, finish)
  })
}
