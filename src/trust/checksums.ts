import { GupperError } from '../errors.ts'

/** What a checksum file says of one file: lower-case hexadecimal digits by algorithm. */
export type Sums = Partial<Record<Algorithm, string>>
export type Algorithm = 'sha256' | 'sha512'

/** Checksums by the base name of the file they stand for; `conflict` marks a name with two different answers. */
export type Checksums = ReadonlyMap<string, Sums | 'conflict'>

const digits: Record<Algorithm, number> = { sha256: 64, sha512: 128 }
const tags: Record<string, Algorithm> = {
  SHA256: 'sha256',
  'SHA2-256': 'sha256',
  SHA512: 'sha512',
  'SHA2-512': 'sha512',
}

interface Line {
  algorithm: Algorithm
  name: string
  hex: string
}

/**
 * Reads a checksum file as `sha256sum`, `sha512sum` (with or without `--tag`; GNU coreutils manual, "cksum output
 * modes"), `shasum`, OpenSSL and GoReleaser write it. Other lines (comments, signatures, weaker algorithms) prove
 * nothing and are passed over: a name that is not found is refused later.
 * @param text the file
 * @param from its path or URL, for complaints
 * @returns checksums by base name
 * @throws GupperError `untrusted` (77) when not one line is a checksum
 */
export function parseChecksums(text: string, from: string): Checksums {
  const found = new Map<string, Sums | 'conflict'>()
  for (const raw of text.replace(/^\uFEFF/, '').split('\n')) {
    const line = readLine(raw.replace(/\r$/, ''))
    if (line === undefined) continue
    const base = line.name.slice(line.name.lastIndexOf('/') + 1)
    const known = found.get(base)
    if (base === '' || known === 'conflict') continue
    const before = known?.[line.algorithm]
    const agrees = before === undefined || before === line.hex
    found.set(base, agrees ? { ...known, [line.algorithm]: line.hex } : 'conflict')
  }
  if (found.size === 0) throw new GupperError('untrusted', `${from} holds no SHA-256 or SHA-512 checksum`)
  return found
}

/**
 * Looks up what a checksum file says of one file, by its exact base name.
 * @throws GupperError `untrusted` (77) when it says nothing, or two different things
 */
export function sumsOf(checksums: Checksums, file: string, from: string): Sums {
  const sums = checksums.get(file)
  if (sums === undefined) throw new GupperError('untrusted', `${from} has no checksum of ${file}`)
  if (sums === 'conflict')
    throw new GupperError('untrusted', `${from} has two different checksums of ${file}`, {
      hint: 'do not run it; ask its publisher which one is right',
    })
  return sums
}

function readLine(line: string): Line | undefined {
  const tagged = /^(\\?)(SHA(?:2-)?(?:256|512)) ?\((.+)\) ?= ?([0-9A-Fa-f]+)$/.exec(line)
  if (tagged) {
    const [, escape = '', tag = '', name = '', hex = ''] = tagged
    return check(escape, tags[tag], name, hex)
  }
  // One space, then the mark of the reading mode: "*" for binary, a space for text; some tools leave the mark out.
  const plain = /^(\\?)([0-9A-Fa-f]+)[ \t][ \t*]?(.+)$/.exec(line)
  if (!plain) return undefined
  const [, escape = '', hex = '', name = ''] = plain
  const algorithm = hex.length === digits.sha512 ? 'sha512' : 'sha256'
  return check(escape, algorithm, name, hex)
}

function check(
  escape: string,
  algorithm: Algorithm | undefined,
  name: string,
  hex: string,
): Line | undefined {
  if (algorithm === undefined || hex.length !== digits[algorithm]) return undefined
  const plain = escape === '' ? name : unescape(name)
  return plain === undefined ? undefined : { algorithm, name: plain, hex: hex.toLowerCase() }
}

/** Undoes coreutils' escapes in a line that starts with a backslash; undefined when one is not of its making. */
function unescape(name: string): string | undefined {
  if (/\\(?![\\nr])|\\$/.test(name.replaceAll('\\\\', ''))) return undefined
  return name.replace(/\\([\\nr])/g, (_, letter: string) =>
    letter === 'n' ? '\n' : letter === 'r' ? '\r' : '\\',
  )
}
