import type { Agent } from 'node:http'
import type { Observer } from '../package/observer.ts'
import { readBody, readWhole, type Patience } from './body.ts'
import { download, type Sink, type Wanted } from './download.ts'
import { exchange, type Answer, type Connection } from './exchange.ts'
import { defaultLimits, type Limits } from './limits.ts'
import { retrying, type RetryOptions } from './retry.ts'
import type { Token } from './token.ts'
import { refusalOf } from './trouble.ts'

export type { Limits } from './limits.ts'
export type { Sink, Wanted } from './download.ts'
export { withoutCredentials } from './address.ts'

/** How to make a client. */
export interface ClientOptions {
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are read from. */
  env?: Record<string, string | undefined> | undefined
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
  token?: Token | undefined
  limits?: Partial<Limits> | undefined
}

/** A small answer; `body` is undefined when it was 304: what the asker has is still right, or `absent` was asked for. */
export interface SmallAnswer {
  status: 200 | 304 | 403 | 404
  etag: string | undefined
  url: string
  headers: Answer['headers']
  body: Buffer | undefined
}

/** A long answer, still coming. */
export interface LongAnswer {
  status: number
  url: string
  headers: Answer['headers']
  body: AsyncIterable<Buffer>
}

export interface GetOptions {
  accept?: string
  /** Sent as If-None-Match. */
  etag?: string | undefined
  /** Default: the limit `maxAnswer`. */
  maxBytes?: number
  /** Whether 404 and 403 are answers too: there is no such file (S3 says 403 where it may not be told). */
  absent?: boolean
  /** How long it may take with its retries, in ms. Default: the limit `answer`. */
  within?: number
  /** The address a bare token was given for; default: the asked one. */
  source?: string
}

export interface StreamOptions {
  accept?: string
  headers?: Record<string, string | undefined>
  signal?: AbortSignal
  /** How long nothing may arrive, in ms; `Infinity` is allowed. Without it the limits `idle` and `rate` hold. */
  idle?: number
  /** How often to try until headers come. Default: the limit `tries`. */
  tries?: number
  source?: string
}

/** The one HTTP client. Close it when done, or it keeps connections for a while. */
export interface Client {
  /** Gets a small answer whole, with retries. @throws GupperError `too-large` and all of {@link download} */
  get(url: string, options?: GetOptions): Promise<SmallAnswer>
  /** Opens a long answer, with retries until its headers are there; the body fails where it breaks. */
  stream(url: string, options?: StreamOptions): Promise<LongAnswer>
  /** Downloads a file, resuming as often as it takes; see {@link download}. Returns its size in bytes. */
  download(wanted: Wanted, sink: Sink): Promise<number>
  close(): void
}

/** Makes a client; nothing is loaded or opened before its first request. */
export function createClient(options: ClientOptions = {}): Client {
  const { env = {}, observer, signal, token } = options
  const limits: Limits = { ...defaultLimits, ...options.limits }
  const { agentFor, close } = createAgents(env)
  const connection: Connection = { limits, token, agentFor }
  const retry = (within: number): RetryOptions => ({ limits, within, signal, observer })

  return {
    close,
    get: (url, { accept = '*/*', etag, absent, maxBytes = limits.maxAnswer, ...options } = {}) =>
      retrying(retry(options.within ?? limits.answer), async (left) => {
        const headers = { accept, 'if-none-match': etag }
        const { source } = options
        const answer = await exchange(connection, { url, headers, source, signal })
        const { status } = answer
        const common = {
          etag: answer.headers.get('etag') ?? undefined,
          url: answer.url,
          headers: answer.headers,
        }
        if (absent === true && (status === 403 || status === 404)) {
          answer.body.destroy()
          return { ...common, status, body: undefined }
        }
        if (status === 304 && etag !== undefined) return { ...common, status, body: undefined }
        const patience: Patience = { ...limits, total: left, signal }
        return { ...common, status: 200, body: await readWhole(wantOk(answer), patience, maxBytes) }
      }),

    stream: async (url, { accept = '*/*', headers = {}, idle, source, ...options } = {}) => {
      const signals = [signal, options.signal].filter((one) => one !== undefined)
      const both = signals.length > 0 ? AbortSignal.any(signals) : undefined
      const tries = { ...retry(limits.answer), limits: { ...limits, ...pick(options.tries) }, signal: both }
      const question = { url, headers: { ...headers, accept }, source, signal: both }
      const answer = await retrying(tries, async () => wantOk(await exchange(connection, question)))
      const rateWindow = idle === undefined ? limits.rateWindow : Infinity
      const patience = {
        rate: limits.rate,
        rateWindow,
        idle: idle ?? limits.idle,
        total: Infinity,
        signal: both,
      }
      const { status, url: final, headers: own } = answer
      return { status, url: final, headers: own, body: closable(readBody(answer, patience), answer) }
    },

    download: (wanted, sink) => download(connection, wanted, sink, retry(limits.download)),
  }
}

function wantOk(answer: Answer): Answer {
  if (answer.status === 200) return answer
  answer.body.destroy()
  throw refusalOf(answer.status, answer.url, answer.headers.get('retry-after'))
}

const pick = (tries: number | undefined): { tries?: number } => (tries === undefined ? {} : { tries })

/** A generator that is ended before its first step does not run its `finally`: the connection would stay open. */
function closable(chunks: AsyncGenerator<Buffer>, { body }: Answer): AsyncIterable<Buffer> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => chunks.next(),
      return() {
        body.destroy()
        return chunks.return(undefined)
      },
    }),
  }
}

/** One agent a scheme, made when first needed: they keep connections open and know the proxies of the environment. */
function createAgents(
  env: Record<string, string | undefined>,
): Pick<Client, 'close'> & Pick<Connection, 'agentFor'> {
  const agents = new Map<string, Agent>()
  return {
    async agentFor({ protocol }) {
      const { Agent } = protocol === 'https:' ? await import('node:https') : await import('node:http')
      const agent = agents.get(protocol) ?? new Agent({ keepAlive: true, proxyEnv: env })
      agents.set(protocol, agent)
      return agent
    },
    close() {
      for (const agent of agents.values()) agent.destroy()
    },
  }
}
