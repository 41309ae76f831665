import { readFile } from 'node:fs/promises'
import { GupperError, explaining } from '../errors.ts'

/** Who may read what: a token for each origin, and perhaps one for the source that was named. */
export interface Token {
  /** For the origin that the person who gave the token was speaking of. */
  bare?: string
  /** "https://repo:8080" → token. */
  origins: ReadonlyMap<string, string>
}

const form = /^[\x21-\x7e]+$/

/**
 * Reads a token file: one token, or lines of `ORIGIN TOKEN`; empty lines and `#` lines do not count.
 * @param path the file
 * @throws GupperError `cannot-read` (69), or `config` (78) naming the line that is wrong; never the token itself
 */
export async function readToken(path: string): Promise<Token> {
  const text = await explaining(`cannot read the token file ${path}`, () => readFile(path, 'utf8'), true)
  return parseToken(text, path)
}

/** Reads the text of a token file, see {@link readToken}. */
export function parseToken(text: string, path: string): Token {
  const origins = new Map<string, string>()
  let bare: string | undefined
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [first, second, ...more] = line.trim().split(/\s+/)
    if (first === undefined || first === '' || first.startsWith('#')) continue
    const wrong = new GupperError('config', `${path}, line ${index + 1}: neither a token nor "ORIGIN TOKEN"`)
    if (more.length > 0 || !form.test(first) || (second !== undefined && !form.test(second))) throw wrong
    if (second === undefined) {
      if (bare !== undefined) throw wrong
      bare = first
    } else {
      const origin = URL.parse(first)?.origin
      if (origin === undefined || origin === 'null') throw wrong
      origins.set(origin, second)
    }
  }
  if (bare === undefined && origins.size === 0) throw new GupperError('config', `${path} holds no token`)
  return { origins, ...(bare !== undefined && { bare }) }
}

/**
 * What `Authorization` says to an origin (RFC 6750).
 * @param origin where the request goes: "https://repo:8080"
 * @param source the address the bare token was given for; it goes to that origin only
 */
export function authorizationFor(
  token: Token | undefined,
  origin: string,
  source: string | undefined,
): string | undefined {
  const own = token?.origins.get(origin)
  const bare = source !== undefined && URL.parse(source)?.origin === origin ? token?.bare : undefined
  const word = own ?? bare
  return word === undefined ? undefined : `Bearer ${word}`
}
