import { dirname, join, resolve, sep } from 'node:path'
import type { Release } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import { contentOf } from '../store/slots.ts'
import { readState, type State } from '../store/target.ts'

/**
 * Reads which release stands at a target.
 * @param target absolute
 * @returns undefined when nothing stands there
 * @throws GupperError `cannot-read` (69), `damaged` (65)
 */
export async function readRelease(target: string): Promise<Release | undefined> {
  const state = await readState(target)
  return state.kind === 'missing' ? undefined : releaseOf(state)
}

/**
 * Reads which release stands at a target where one has to.
 * @throws GupperError `not-installed` (64), and what {@link readRelease} throws
 */
export async function demandRelease(target: string): Promise<Release> {
  const release = await readRelease(target)
  if (release === undefined) throw nothingInstalled(target)
  return release
}

function releaseOf({ home, current }: State): Release {
  if (current === undefined) return { version: 'unknown', path: home.target }
  const { version, digest, slot, kind } = current
  // Somebody else's link has no slot of its own to be run from.
  const path = kind === 'link' ? resolve(dirname(home.target), current.link ?? '') : contentOf(home, current)
  return { version, digest, slot, path }
}

/** Whether two releases are the same build. */
export function isSameRelease(one: Release | undefined, other: Release | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  return one.slot === other.slot && one.digest === other.digest && one.path === other.path
}

/**
 * Writes a command for one release: each word that is the target, or lies in it, is led to the release's own place, so that
 * what stands at the target may change while it runs.
 * @param command the program and its arguments, as people gave them
 * @param target absolute
 */
export function commandFor(
  command: readonly string[],
  target: string,
  release: Release,
  cwd: string,
): string[] {
  return command.map((word, index) => {
    const looksLikePath = index === 0 ? word.includes('/') : word.includes('/') || word === target
    if (!looksLikePath) return word
    const path = resolve(cwd, word)
    if (path === target) return release.path
    return path.startsWith(`${target}${sep}`) ? join(release.path, path.slice(target.length)) : word
  })
}

/** The complaint about a target where nothing stands. */
export function nothingInstalled(target: string): GupperError {
  return new GupperError('not-installed', `there is nothing at ${target}`)
}
