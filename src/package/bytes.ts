import { GupperError } from '../errors.ts'

const units = ['', 'K', 'M', 'G', 'T']

/**
 * Reads a size as people write it: "500M", "2G", "1.5 GiB", "1024"; K is 1000 and Ki is 1024.
 * @param text what was given
 * @param flag where it was given, for the complaint: "--max-size"
 * @returns bytes
 * @throws GupperError `usage` (64)
 */
export function parseBytes(text: string, flag: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,3})?) ?([KMGT]?)(i?)B?$/i.exec(text.trim())
  if (!match) throw new GupperError('usage', `${flag} takes a size such as 500M or 2G, not "${text}"`)
  return Math.round(
    Number(match[1]) * (match[3] ? 1024 : 1000) ** units.indexOf((match[2] ?? '').toUpperCase()),
  )
}
