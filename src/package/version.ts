import compareBuild from 'semver/functions/compare-build.js'
import parse from 'semver/functions/parse.js'
import satisfies from 'semver/functions/satisfies.js'
import Range from 'semver/classes/range.js'

/**
 * Reads a version as the ancestor did: a leading "v" is dropped, "1.9" is 1.9.0, "2" is 2.0.0.
 * @returns the full semantic version (semver.org 2.0.0) with its build part, or undefined
 */
export function parseVersion(text: string): string | undefined {
  const match =
    /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?((?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$/.exec(text)
  if (!match) return undefined
  const [, major = '0', minor = '0', patch = '0', rest = ''] = match
  const number = (digits: string): string => String(Number(digits))
  const version = parse(`${number(major)}.${number(minor)}.${number(patch)}${rest}`)
  return version
    ? version.format() + (version.build.length > 0 ? `+${version.build.join('.')}` : '')
    : undefined
}

/** Finds the first thing in a text that reads as a version with at least a dot: "app version 1.9.3 darwin". */
export function findVersion(text: string): string | undefined {
  const form = /(?<![\w.])v?\d{1,15}\.\d{1,15}(?:\.\d{1,15})?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?/g
  // Programs that colour what they say put a letter before it.
  for (const [word] of text.replace(/\u001b\[[\d;]*m/g, ' ').matchAll(form)) {
    const version = parseVersion(word.replace(/[.-]+$/, ''))
    if (version !== undefined) return version
  }
  return undefined
}

/** Orders two versions: negative when a is older; the build part breaks ties so that the order is total. */
export function compareVersions(a: string, b: string): number {
  return compareBuild(readOnce(a), readOnce(b))
}

// Sorting compares the same versions again and again, and reading one takes longer than comparing two.
const known = new Map<string, ReturnType<typeof parse>>()

function readOnce(text: string): NonNullable<ReturnType<typeof parse>> | string {
  let version = known.get(text)
  if (version === undefined) {
    if (known.size >= 20_000) known.clear()
    known.set(text, (version = parse(text)))
  }
  return version ?? text
}

/** The pre-release channel of a version: "beta" of 1.0.0-beta.2, "stable" of 1.0.0. */
export function channelOf(version: string): string {
  const [first] = parse(version)?.prerelease ?? []
  return first === undefined ? 'stable' : String(first)
}

/** Whether a version lies in a range, by npm's rules: pre-releases only where the range names them. */
export function inRange(version: string, range: string): boolean {
  return satisfies(version, range)
}

/** Whether a text is a range such as "^1.9", ">=1.2 <2" or "1.x". */
export function isRange(text: string): boolean {
  try {
    new Range(text)
    return true
  } catch {
    return false
  }
}
