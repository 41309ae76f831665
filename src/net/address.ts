import { GupperError } from '../errors.ts'

/** An address with the credentials taken out of it. */
export interface Address {
  url: URL
  /** What `Authorization: Basic` says for http://user:password@host/ (RFC 7617). */
  basic: string | undefined
}

/**
 * Reads an http or https address.
 * @throws GupperError `usage` (64) when it is none
 */
export function parseAddress(text: string): Address {
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new GupperError('usage', `not an http or https address: ${withoutCredentials(text)}`)
  const { username, password } = url
  url.username = url.password = url.hash = ''
  if (username === '' && password === '') return { url, basic: undefined }
  const pair = `${decode(username)}:${decode(password)}`
  return { url, basic: `Basic ${Buffer.from(pair).toString('base64')}` }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** An address as it may be written to logs and records: http://user:password@host/ as http://host/. */
export function withoutCredentials(text: string): string {
  const url = URL.parse(text)
  if (url === null) return text.replace(/\/\/[^/@]*@/, '//')
  if (url.username === '' && url.password === '') return text
  url.username = url.password = ''
  return url.href
}
