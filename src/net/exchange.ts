import type { Agent } from 'node:http'
import type { Readable } from 'node:stream'
import { GupperError } from '../errors.ts'
import { version } from '../version.ts'
import { parseAddress } from './address.ts'
import type { Limits } from './limits.ts'
import { collect, type Inbox } from './inbox.ts'
import { authorizationFor, type Token } from './token.ts'
import { Transient, troubleOf } from './trouble.ts'

/** What every request of a client shares. */
export interface Connection {
  limits: Limits
  token: Token | undefined
  agentFor: (url: URL) => Promise<Agent>
}

/** One question. */
export interface Question {
  url: string
  headers: Record<string, string | undefined>
  /** The address a bare token is for; the asked address itself unless given. */
  source?: string | undefined
  signal: AbortSignal | undefined
}

/** What came back: the headers, and the body still to be read or destroyed. */
export interface Answer {
  status: number
  headers: { get(name: string): string | null }
  /** The address that answered, after redirects, without credentials. */
  url: string
  body: Inbox
}

/**
 * Asks, and follows redirects: never from https to http, never away from http and https, credentials never to another origin.
 * @throws GupperError `redirect` (76), `protocol` (76), or what {@link troubleOf} says
 */
export async function exchange(connection: Connection, question: Question): Promise<Answer> {
  const { limits, token } = connection
  const first = parseAddress(question.url)
  const source = question.source ?? question.url
  let url = first.url
  for (let hops = 0; ; hops++) {
    const own = url.origin === first.url.origin ? first.basic : undefined
    const authorization = own ?? authorizationFor(token, url.origin, source)
    const answer = await ask(connection, url, { ...question.headers, authorization }, question.signal)
    const { status, headers, body } = answer
    if (![301, 302, 303, 307, 308].includes(status)) {
      return answer
    }
    body.destroy()
    if (hops >= limits.redirects)
      throw new GupperError('redirect', `${first.url.href} sends us on without end`)
    url = follow(url, headers.get('location'))
  }
}

function follow(url: URL, location: string | null): URL {
  const next = location === null ? null : URL.parse(location, url)
  if (next === null) throw new GupperError('redirect', `${url.href} sends us on, but not to an address`)
  if (next.protocol !== 'https:' && next.protocol !== 'http:')
    throw new GupperError('redirect', `${url.href} sends us to ${next.protocol}, which is not the web`)
  if (url.protocol === 'https:' && next.protocol === 'http:')
    throw new GupperError('redirect', `${url.href} sends us from https to http`)
  return parseAddress(next.href).url
}

async function ask(
  { limits, agentFor }: Connection,
  url: URL,
  headers: Question['headers'],
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const { default: fetch } = await import('node-fetch')
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), limits.firstByte)
  try {
    const given = Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== undefined)
    const response = await fetch(url, {
      headers: {
        'user-agent': `gupper/${version}`,
        'accept-encoding': 'identity',
        ...Object.fromEntries(given),
      },
      agent: await agentFor(url),
      redirect: 'manual',
      compress: false,
      signal: AbortSignal.any([late.signal, ...(signal ? [signal] : [])]),
    })
    const body = collect(response.body as Readable)
    const encoding = response.headers.get('content-encoding') ?? 'identity'
    if (encoding !== 'identity') {
      body.destroy()
      throw new GupperError('protocol', `${url.href} answered in "${encoding}", which was not asked for`)
    }
    return { status: response.status, headers: response.headers, url: url.href, body }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    if (late.signal.aborted)
      throw new Transient(`cannot reach ${url.href}: no answer within ${limits.firstByte / 1000} s`)
    throw troubleOf(error, url.href)
  } finally {
    clearTimeout(timer)
  }
}
