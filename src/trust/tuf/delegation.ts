import { createHash } from 'node:crypto'
import { GupperError } from '../../errors.ts'
import type { Delegations, RoleKeys, SuccinctRoles } from './model.ts'

/** How much may still be done to tell who speaks for paths: letters of patterns that are looked at. */
export interface Effort {
  left: number
  /** Of which it is a part. */
  whole?: Effort
  /** What everybody is told once nothing is left. */
  spent?: GupperError
}

/**
 * Takes away from an effort, and from the whole that it is a part of.
 * @throws GupperError `too-large` (76), the same each time, where nothing is left: who writes patterns must not keep us busy
 */
export function spend(effort: Effort, letters: number): void {
  if (effort.whole !== undefined) spend(effort.whole, letters)
  effort.left -= letters
  if (effort.left < 0) throw (effort.spent ??= tooLong())
}

function tooLong(): GupperError {
  return new GupperError('too-large', 'its delegations take too long to be understood', {
    hint: 'ask its publisher to delegate with fewer and simpler patterns',
  })
}

/** A role that speaks for a path. */
export interface Spokesman {
  name: string
  /** Nobody after it is asked. */
  terminating: boolean
}

/**
 * Which delegated roles speak for a target, in the order of their trustworthiness (TUF 1.0.34, section 5.6.7).
 * @param path the target's path
 * @param effort what it takes is taken away from it
 * @throws GupperError `too-large` (76) where nothing is left of it
 */
export function spokesmenOf(
  { roles, succinct_roles: bins }: Delegations,
  path: string,
  effort: Effort = { left: Infinity },
): Spokesman[] {
  if (bins !== undefined) return [{ name: binOf(bins, path), terminating: true }]
  let hash: string | undefined
  const hashOf = (): string => (hash ??= createHash('sha256').update(path).digest('hex'))
  return (roles ?? []).filter(({ paths, path_hash_prefixes: prefixes = [] }) => {
    if (paths !== undefined) return paths.some((pattern) => matchesPath(pattern, path, effort))
    spend(effort, prefixes.length)
    return prefixes.some((prefix) => hashOf().startsWith(prefix.toLowerCase()))
  })
}

/** The keys of a delegated role, or undefined where nothing is delegated to it. */
export function delegatedKeys(
  { roles, succinct_roles: bins }: Delegations,
  name: string,
): RoleKeys | undefined {
  if (bins !== undefined) return isBin(bins, name) ? bins : undefined
  return roles?.find((role) => role.name === name)
}

/** The names of all roles that something is delegated to, in order. */
export function* delegatedNames({ roles, succinct_roles: bins }: Delegations): Generator<string> {
  if (bins === undefined) for (const { name } of roles ?? []) yield name
  else for (let number = 0; number < 2 ** bins.bit_length; number++) yield binName(bins, number)
}

/** The bin that a path falls into, by the leading bits of its SHA-256 (TAP 15). */
export function binOf(bins: SuccinctRoles, path: string): string {
  const start = createHash('sha256').update(path).digest().readUInt32BE(0)
  return binName(bins, start >>> (32 - bins.bit_length))
}

function binName({ bit_length: bits, name_prefix: prefix }: SuccinctRoles, number: number): string {
  const digits = (2 ** bits - 1).toString(16).length
  return `${prefix}-${number.toString(16).padStart(digits, '0')}`
}

function isBin(bins: SuccinctRoles, name: string): boolean {
  const start = `${bins.name_prefix}-`
  const number = name.startsWith(start) ? name.slice(start.length) : ''
  if (!/^[0-9a-f]{1,8}$/.test(number)) return false
  const value = Number.parseInt(number, 16)
  return value < 2 ** bins.bit_length && binName(bins, value) === name
}

/**
 * The names of delegated roles that may speak for packages of which only the beginning of the file's name is known. What
 * is not surely for others counts.
 */
export function* nearRoles({ roles, succinct_roles: bins }: Delegations, start: string): Generator<string> {
  if (bins !== undefined) yield* delegatedNames({ keys: {}, succinct_roles: bins })
  for (const { name, paths } of roles ?? [])
    if (paths === undefined || paths.some((pattern) => mayMatch(pattern, start))) yield name
}

// The file of a package has no slash in its path.
function mayMatch(pattern: string, start: string): boolean {
  if (pattern.includes('/')) return false
  const special = pattern.search(/[*?[]/)
  const plain = special < 0 ? pattern : pattern.slice(0, special)
  return plain.startsWith(start) || (special >= 0 && start.startsWith(plain))
}

/**
 * Whether a path fits a pattern of the shell's kind: `*`, `?` and `[…]`, none of which reaches over a slash (TUF 1.0.34,
 * section 4.5). Takes time in proportion to the product of both lengths at most: patterns come from outside.
 */
export function matchesPath(pattern: string, path: string, effort: Effort = { left: Infinity }): boolean {
  // Most patterns differ in what stands before their first star, which is soon seen.
  spend(effort, 1)
  const plain = pattern.search(/[*?[/]/)
  if (plain > 0 && !path.startsWith(pattern.slice(0, plain))) return false
  if (plain < 0) return pattern === path
  spend(effort, pattern.length)
  const [patterns, parts] = [pattern.split('/'), path.split('/')]
  return (
    patterns.length === parts.length &&
    patterns.every((part, i) => matchesPart(tokensOf(part), parts[i] ?? '', effort))
  )
}

type Token = '*' | '?' | { set: string; negated: boolean } | { letter: string }

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let i = 0; i < pattern.length; i++) {
    const letter = pattern.charAt(i)
    if (letter === '*' || letter === '?') tokens.push(letter)
    else {
      const [whole, not = '', set = ''] =
        letter === '[' ? (/^\[(!?)(\]?[^\]]*)\]/.exec(pattern.slice(i)) ?? []) : []
      tokens.push(whole === undefined ? { letter } : { set, negated: not !== '' })
      i += (whole?.length ?? 1) - 1
    }
  }
  return tokens
}

// On a mismatch only the last star is tried again, which is enough, and keeps hostile patterns cheap.
function matchesPart(tokens: readonly Token[], text: string, effort: Effort): boolean {
  let [at, within, star, from] = [0, 0, -1, 0]
  while (within < text.length) {
    spend(effort, 1)
    const token = tokens[at]
    if (token === '*') [star, from] = [at++, within]
    else if (token !== undefined && fits(token, text.charAt(within))) [at, within] = [at + 1, within + 1]
    else if (star >= 0) [at, within] = [star + 1, ++from]
    else return false
  }
  while (tokens[at] === '*') at++
  return within === text.length && at === tokens.length
}

function fits(token: Exclude<Token, '*'>, letter: string): boolean {
  if (token === '?') return true
  if ('letter' in token) return token.letter === letter
  return hasLetter(token.set, letter) !== token.negated
}

function hasLetter(set: string, letter: string): boolean {
  for (let i = 0; i < set.length; i++) {
    const [from, to] =
      set.charAt(i + 1) === '-' && i + 2 < set.length ? [set.charAt(i), set.charAt(i + 2)] : []
    if (from === undefined || to === undefined) {
      if (set.charAt(i) === letter) return true
    } else {
      if (from <= letter && letter <= to) return true
      i += 2
    }
  }
  return false
}
