import type { IncomingHttpHeaders } from 'node:http'

/** What is known of the bytes that an answer would carry. */
export interface Validators {
  /** Strong: `"sha256:…"`. */
  etag: string
  /** Last modification, ms since 1970. */
  modified?: number
}

/**
 * Whether an entity tag is in the list of an If-Match or If-None-Match field (RFC 9110 §13.1).
 * @param weak whether `W/"x"` stands for `"x"`
 */
export function listsTag(list: string, etag: string, weak: boolean): boolean {
  if (list === etag || list.trim() === '*') return true
  for (const [, mark, tag] of list.matchAll(/(W\/)?("[^"]*")/g))
    if (tag === etag && (weak || mark === undefined)) return true
  return false
}

/**
 * Weighs the preconditions of a GET or HEAD in the order of RFC 9110 §13.2.2.
 * @returns the status that ends the request, or undefined when it goes on
 */
export function weigh(headers: IncomingHttpHeaders, { etag, modified }: Validators): 304 | 412 | undefined {
  const match = headers['if-match']
  if (match !== undefined) {
    if (!listsTag(match, etag, false)) return 412
  } else if (modified !== undefined && isSince(headers['if-unmodified-since'], modified) === true) return 412
  const noneMatch = headers['if-none-match']
  if (noneMatch !== undefined) return listsTag(noneMatch, etag, true) ? 304 : undefined
  if (modified !== undefined && isSince(headers['if-modified-since'], modified) === false) return 304
  return undefined
}

/**
 * Whether a Range field counts, going by If-Range (RFC 9110 §13.1.5): the tag must match strongly, a date exactly, and
 * only when the file had not changed in the second before, as dates have no more than seconds.
 */
export function rangeCounts(ifRange: string | undefined, { etag, modified }: Validators): boolean {
  if (ifRange === undefined || ifRange === etag) return true
  if (modified === undefined || /^(?:W\/)?"/.test(ifRange)) return false
  return ifRange === httpDate(modified) && Date.now() - modified >= 1000
}

/** A time as HTTP writes it (RFC 9110 §5.6.7). */
export function httpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

// Whether something was modified after the date of a field; undefined when there is no valid date.
function isSince(field: string | undefined, modified: number): boolean | undefined {
  const date = field === undefined ? NaN : Date.parse(field)
  return Number.isNaN(date) ? undefined : Math.floor(modified / 1000) * 1000 > date
}
