import { GupperError } from '../errors.ts'
import type { PackageRecord } from '../package/record.ts'

// The proofs that can be asked for by name, and what makes them.
const makers: Readonly<Record<string, string>> = {
  digest: 'gupper fetch',
  checksums: 'gupper verify --checksums FILE',
  minisign: 'gupper verify --minisign KEY',
}

/** The proofs that can be asked for by name. */
export const proofNames: readonly string[] = Object.keys(makers)

/**
 * Reads the value of `--require`: the proofs that must all stand, or "none".
 * @param text a comma list: "minisign", "digest,checksums", "none"
 * @returns the words, each once, in the order given
 * @throws GupperError `usage` (64) on a word that is no proof, on an empty list, and on "none" beside others
 */
export function parseRequire(text: string): string[] {
  const words = [...new Set(text.split(',').map((word) => word.trim().toLowerCase()))]
  const hint = `--require takes ${proofNames.join(', ')} (several with commas between: all must stand), or none`
  for (const word of words) {
    if (word !== 'none' && !proofNames.includes(word))
      throw new GupperError('usage', `${JSON.stringify(word)} is not a proof that can be required`, { hint })
  }
  if (words.length > 1 && words.includes('none'))
    throw new GupperError('usage', '"none" cannot be required together with a proof', { hint })
  return words
}

/**
 * Refuses a record whose proofs do not satisfy what is required.
 * @param record the record with the proofs that stand
 * @param require the proofs that must all stand; undefined or empty asks for any one, ['none'] for nothing
 * @throws GupperError `unproven` (77) naming what is missing
 */
export function demand(
  record: Pick<PackageRecord, 'file' | 'proofs'>,
  require: readonly string[] | undefined,
): void {
  const standing = new Set((record.proofs ?? []).map((proof) => proof.by))
  if (require === undefined || require.length === 0) {
    if (standing.size === 0) throw new GupperError('unproven', `nothing proves ${record.file}`)
    return
  }
  // "none" beside a proof asks for that proof: in doubt the stricter reading.
  const missing = require.filter((word) => word !== 'none' && !standing.has(word))
  if (missing.length === 0) return
  throw new GupperError('unproven', `${record.file} is not proven by ${missing.join(' and ')}`, {
    hint: `prove it first, with: ${missing.map((word) => makers[word] ?? word).join(' and ')}`,
  })
}
