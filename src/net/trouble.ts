import { GupperError, type ErrorCode } from '../errors.ts'

/** A failure that may pass when the same thing is tried again. */
export class Transient extends GupperError {
  /** How long the other side asks us to wait, in ms. */
  readonly retryAfter: number | undefined
  constructor(
    message: string,
    options: { code?: ErrorCode; cause?: unknown; retryAfter?: number | undefined } = {},
  ) {
    super(options.code ?? 'unreachable', message, options)
    this.retryAfter = options.retryAfter
  }
}

const words: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ERR_STREAM_PREMATURE_CLOSE: 'the connection was cut',
  ETIMEDOUT: 'timed out',
  EHOSTUNREACH: 'no way to that host',
  ENETUNREACH: 'no way to that network',
  EADDRNOTAVAIL: 'no way to that address',
  EAI_AGAIN: 'its name could not be looked up',
  ENOTFOUND: 'no such host',
  EPROTO: 'no TLS is spoken there',
  ERR_PROXY_TUNNEL: 'the proxy refused',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate comes from an unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an unknown authority',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
}
/** Trying again at once would meet the same. */
const lasting = /^(ENOTFOUND|EPROTO|ERR_TLS_.*|.*CERT.*|UNABLE_TO_.*)$/

/**
 * Says what a failed connection means.
 * @param thrown what node-fetch or the body's stream threw
 * @param where the address, without credentials
 * @returns `protocol` (76) when what came is not HTTP, else `unreachable` (69), {@link Transient} where it may pass
 */
export function troubleOf(thrown: unknown, where: string): GupperError {
  if (thrown instanceof GupperError) return thrown
  const code = codeOf(thrown)
  if (code.startsWith('HPE_HEADER_OVERFLOW'))
    return new GupperError('protocol', `the headers of the answer from ${where} are too large`, {
      cause: thrown,
    })
  if (code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE')
    return new GupperError('protocol', `the answer from ${where} is not HTTP (${code})`, { cause: thrown })
  const reason = words[code] ?? (thrown instanceof Error ? thrown.message : String(thrown))
  const message = `cannot reach ${where}: ${reason}`
  if (!lasting.test(code)) return new Transient(message, { cause: thrown })
  const hint = code.includes('CERT') || code.startsWith('UNABLE_TO_')
  return new GupperError('unreachable', message, {
    cause: thrown,
    ...(hint && { hint: 'name the authority to trust: NODE_EXTRA_CA_CERTS=ca.pem' }),
  })
}

function codeOf(thrown: unknown): string {
  for (let error = thrown; typeof error === 'object' && error !== null; error = (error as Error).cause)
    if ('code' in error && typeof error.code === 'string') return error.code
  return ''
}

/**
 * Says what a status other than the wanted ones means (RFC 9110, section 15).
 * @param status the status of the answer
 * @param where the address, without credentials
 * @param retryAfter the header of that name
 */
export function refusalOf(status: number, where: string, retryAfter: string | null): GupperError {
  if (status === 404 || status === 410)
    return new GupperError('not-found', `${where} does not exist (${status})`)
  if (status === 401 || status === 403 || status === 407)
    return new GupperError('denied', `${where} may not be read (${status})`)
  const message = `${where} answered with status ${status}`
  if (status >= 500 || status === 408 || status === 425 || status === 429)
    return new Transient(message, { retryAfter: readRetryAfter(retryAfter) })
  return new GupperError('protocol', message)
}

/** Reads Retry-After: seconds or a date (RFC 9110, section 10.2.3), in ms from now. */
function readRetryAfter(text: string | null): number | undefined {
  if (text === null) return undefined
  const time = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now()
  return Number.isNaN(time) ? undefined : Math.max(0, time)
}
