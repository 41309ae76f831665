import { GupperError } from '../errors.ts'

/** Headers as they stand in a message: name, value, name, value … */
export type RawHeaders = string[]

/** What is to be known of a client's connection, to tell the program of it. */
export interface Peer {
  /** "203.0.113.7"; empty where there is none, as on a Unix socket. */
  address: string
  /** Whether it may be believed who it speaks for: it is on this machine, e.g. a server that ends TLS. */
  trusted: boolean
}

/** What a request's headers say, and those that the program gets. */
export interface RequestHead {
  headers: RawHeaders
  hasBody: boolean
  expectsContinue: boolean
}

// What belongs to one connection and not to the message (RFC 9110 §7.6.1), or is meant for a proxy itself.
const hops = new Set([
  ...['connection', 'keep-alive', 'proxy-connection', 'te', 'transfer-encoding', 'upgrade'],
  ...['proxy-authenticate', 'proxy-authorization', 'expect', 'trailer'],
])
const special = new Set([
  ...hops,
  ...['host', 'content-length', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'],
])

/** A request or an answer that cannot be passed on as what it says it is. */
export class HeaderError extends GupperError {
  readonly status: number
  constructor(status: number, message: string) {
    super('protocol', message)
    this.status = status
  }
}

/**
 * The headers a program gets of a request: without those of the client's connection, and with word of the client.
 * @param raw as the client sent them
 * @param host instead of the client's own, where the target of the request names it (RFC 9112 §3.2.2)
 * @throws HeaderError when the request has two hosts, or a body in a coding that nobody here reads
 */
export function requestHead(raw: RawHeaders, peer: Peer, host?: string): RequestHead {
  const headers: RawHeaders = []
  let named: Set<string> | undefined
  let hasBody = false
  let expectsContinue = false
  let asked = host
  let hosts = 0
  let forwardedFor = ''
  let proto = ''
  let forwardedHost = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    const lower = name.toLowerCase()
    if (!special.has(lower)) {
      headers.push(name, value)
      continue
    }
    switch (lower) {
      case 'host':
        if (++hosts > 1) throw new HeaderError(400, 'a request has one Host')
        asked ??= value
        continue
      case 'content-length':
        hasBody = value !== '0'
        headers.push(name, value)
        continue
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked')
          throw new HeaderError(501, 'no transfer coding but chunked is understood here')
        hasBody = true
        continue
      case 'connection':
        named = addNamed(named, value)
        continue
      case 'expect':
        expectsContinue = value.toLowerCase() === '100-continue'
        continue
      case 'x-forwarded-for':
        forwardedFor += forwardedFor === '' ? value : `, ${value}`
        continue
      case 'x-forwarded-proto':
        proto = value
        continue
      case 'x-forwarded-host':
        forwardedHost = value
    }
  }
  const known = named ? without(headers, named) : headers
  if (asked !== undefined) known.push('Host', asked)
  const { address, trusted } = peer
  if (address !== '') forwardedFor += forwardedFor === '' ? address : `, ${address}`
  if (forwardedFor !== '') known.push('X-Forwarded-For', forwardedFor)
  known.push('X-Forwarded-Proto', trusted && proto !== '' ? proto : 'http')
  const first = trusted && forwardedHost !== '' ? forwardedHost : asked
  if (first !== undefined) known.push('X-Forwarded-Host', first)
  return { headers: known, hasBody, expectsContinue }
}

/**
 * Reads the target of a request that is no path: the absolute form, which names the host itself (RFC 9112 §3.2.2).
 * @throws HeaderError when it is of another form
 */
export function readTarget(url: string): { path: string; host: string } {
  const target = URL.parse(url)
  if (target?.protocol !== 'http:' && target?.protocol !== 'https:')
    throw new HeaderError(400, 'the target of a request is a path, or a URL of http')
  return { path: target.pathname + target.search, host: target.host }
}

/** What an answer's headers say, and those that the client gets. */
export interface AnswerHead {
  headers: RawHeaders
  /** Bytes of the body that is announced; undefined when none is. */
  length: number | undefined
  /** The names of the trailers that are announced; empty: none. */
  trailer: string
}

/**
 * The headers a client gets of an answer: without those of the program's connection.
 * @param raw as the program sent them
 * @throws HeaderError when the body is in a coding that nobody here reads
 */
export function answerHead(raw: readonly (Buffer | string)[]): AnswerHead {
  const headers: RawHeaders = []
  let named: Set<string> | undefined
  let length: number | undefined
  let trailer = ''
  for (let i = 0; i < raw.length; i += 2) {
    const name = textOf(raw[i])
    const value = textOf(raw[i + 1])
    const lower = name.toLowerCase()
    if (lower === 'content-length') length = Number(value)
    else if (lower === 'trailer') trailer = value
    else if (lower === 'connection') named = addNamed(named, value)
    else if (lower === 'transfer-encoding' && value.toLowerCase() !== 'chunked')
      throw new HeaderError(502, `the program answers in a transfer coding that nobody asked for: ${value}`)
    if (!hops.has(lower)) headers.push(name, value)
  }
  return { headers: named ? without(headers, named) : headers, length, trailer }
}

function textOf(part: Buffer | string | undefined): string {
  return typeof part === 'string' ? part : (part?.toString('latin1') ?? '')
}

const usual = /^(?:keep-alive|close|upgrade)$/i

function addNamed(named: Set<string> | undefined, value: string): Set<string> | undefined {
  if (usual.test(value)) return named
  const all = named ?? new Set()
  for (const token of value.split(',')) all.add(token.trim().toLowerCase())
  return all
}

// What frames a message, and to whom it goes, nobody may have removed.
const kept = new Set(['content-length', 'host'])

function without(headers: RawHeaders, named: ReadonlySet<string>): RawHeaders {
  const left: RawHeaders = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? ''
    const lower = name.toLowerCase()
    if (!named.has(lower) || kept.has(lower)) left.push(name, headers[i + 1] ?? '')
  }
  return left
}
