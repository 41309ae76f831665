import { GupperError } from '../errors.ts'
import type { PackageRecord } from '../package/record.ts'

// The proofs that can be asked for by name, and what makes them.
const makers: Readonly<Record<string, string>> = {
  digest: 'gupper fetch',
  checksums: 'gupper verify --checksums FILE',
  minisign: 'gupper verify --minisign KEY',
  tuf: 'gupper verify --trust ROOT.json',
}

/** The proofs that can be asked for by name. */
export const proofNames: readonly string[] = Object.keys(makers)

/**
 * The proofs that must stand: all of a list (an empty one asks for any, ['none'] for nothing), or so many of several
 * kinds that none of them alone decides.
 */
export type Requirement = readonly string[] | { atLeast: number; of: readonly string[] }

const hint =
  `--require takes ${proofNames.join(', ')} (several with commas between: all must stand), ` +
  'some of several, e.g. 2of:tuf,minisign,checksums, or none'

/**
 * Reads the value of `--require`.
 * @param text a comma list, all of which must stand: "minisign", "digest,checksums"; so many of several:
 * "2of:tuf,minisign,checksums"; or "none"
 * @returns the words in the order given, each once
 * @throws GupperError `usage` (64) on a word that is no proof, on an empty list, on "none" beside others, and on a number
 * that cannot be met or would ask for nothing
 */
export function parseRequire(text: string): Requirement {
  const [, number, list = text] = /^\s*(\d{1,9})of:(.*)$/is.exec(text) ?? []
  const given = list.split(',').map((word) => word.trim().toLowerCase())
  const words = [...new Set(given)]
  for (const word of words) {
    if (word !== 'none' && !proofNames.includes(word))
      throw new GupperError('usage', `${JSON.stringify(word)} is not a proof that can be required`, { hint })
  }
  if ((words.length > 1 || number !== undefined) && words.includes('none'))
    throw new GupperError('usage', '"none" cannot be required together with a proof', { hint })
  if (number === undefined) return words
  // Said twice, a proof would look like two.
  if (words.length < given.length)
    throw new GupperError('usage', `"${text}" names a proof twice: each counts once`, { hint })
  const atLeast = Number(number)
  if (atLeast < 1 || atLeast > words.length)
    throw new GupperError('usage', `"${text}" asks for ${atLeast} of ${words.length} proofs`, { hint })
  return { atLeast, of: words }
}

/**
 * Refuses a record whose proofs do not satisfy what is required. Proofs of one kind count once, however many stand.
 * @param record the record with the proofs that stand
 * @param require see {@link Requirement}; undefined or empty asks for any one, ['none'] for nothing
 * @throws GupperError `unproven` (77) naming what is missing
 */
export function demand(
  record: Pick<PackageRecord, 'file' | 'proofs'>,
  require: Requirement | undefined,
): void {
  const standing = new Set((record.proofs ?? []).map((proof) => proof.by))
  const wanted = require === undefined || 'of' in require ? require : { atLeast: Infinity, of: require }
  if (wanted === undefined || wanted.of.length === 0) {
    if (standing.size === 0) throw new GupperError('unproven', `nothing proves ${record.file}`)
    return
  }
  // "none" beside a proof asks for that proof: in doubt the stricter reading.
  const of = [...new Set(wanted.of)].filter((word) => word !== 'none')
  const missing = of.filter((word) => !standing.has(word))
  const lacking = Math.min(of.length, Math.max(1, wanted.atLeast)) - (of.length - missing.length)
  if (lacking <= 0) return
  const enough = lacking === missing.length ? 'and' : 'or'
  const which = lacking === missing.length ? '' : `${lacking} more of `
  throw new GupperError(
    'unproven',
    `${record.file} is not proven by ${which}${missing.join(` ${enough} `)}`,
    {
      hint: `prove it first, with: ${missing.map((word) => makers[word] ?? word).join(` ${enough} `)}`,
    },
  )
}
