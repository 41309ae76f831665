import { createHash } from 'node:crypto'
import type { DelegatedRole, Delegations, RoleKeys, SuccinctRoles } from './model.ts'

/** A role that speaks for a path. */
export interface Spokesman {
  name: string
  /** Nobody after it is asked. */
  terminating: boolean
}

/**
 * Which delegated roles speak for a target, in the order of their trustworthiness (TUF 1.0.34, section 5.6.7).
 * @param path the target's path
 */
export function spokesmenOf({ roles, succinct_roles: bins }: Delegations, path: string): Spokesman[] {
  if (bins !== undefined) return [{ name: binOf(bins, path), terminating: true }]
  return (roles ?? []).filter((role) => speaksFor(role, path))
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

function speaksFor({ paths, path_hash_prefixes: prefixes }: DelegatedRole, path: string): boolean {
  if (paths !== undefined) return paths.some((pattern) => matchesPath(pattern, path))
  const hash = createHash('sha256').update(path).digest('hex')
  return (prefixes ?? []).some((prefix) => hash.startsWith(prefix.toLowerCase()))
}

/**
 * Whether a path fits a pattern of the shell's kind: `*`, `?` and `[…]`, none of which reaches over a slash (TUF 1.0.34,
 * section 4.5). Takes time in proportion to the product of both lengths at most: patterns come from outside.
 */
export function matchesPath(pattern: string, path: string): boolean {
  const [patterns, parts] = [pattern.split('/'), path.split('/')]
  return (
    patterns.length === parts.length &&
    patterns.every((part, i) => matchesPart(tokensOf(part), parts[i] ?? ''))
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
function matchesPart(tokens: readonly Token[], text: string): boolean {
  let [at, within, star, from] = [0, 0, -1, 0]
  while (within < text.length) {
    const token = tokens[at]
    if (token === '*') [star, from] = [at++, within]
    else if (token !== undefined && fits(token, text.charAt(within))) [at, within] = [at + 1, within + 1]
    else if (star >= 0) [at, within] = [star + 1, ++from]
    else return false
  }
  while (tokens[at] === '*') at++
  return at === tokens.length
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
