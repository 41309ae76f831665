import path from 'node:path'
import { GupperError } from '../errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where downloads are kept: $XDG_CACHE_HOME/gupper, by the XDG Base Directory Specification. */
export function cacheHome(env: Environment): string {
  return home(env, 'XDG_CACHE_HOME', '.cache')
}

/** The same where it is only of use: undefined when no variable says where. */
export function findCacheHome(env: Environment): string | undefined {
  return find(env, 'XDG_CACHE_HOME', '.cache')
}

/** Where what must not be lost is kept: $XDG_STATE_HOME/gupper. */
export function stateHome(env: Environment): string {
  return home(env, 'XDG_STATE_HOME', '.local/state')
}

function home(env: Environment, variable: string, below: string): string {
  const found = find(env, variable, below)
  if (found !== undefined) return found
  throw new GupperError('config', `neither ${variable} nor HOME is set`, {
    hint: `set ${variable} to a directory`,
  })
}

// "All paths set in these environment variables must be absolute. If [not], [it] should … be ignored."
function find(env: Environment, variable: string, below: string): string | undefined {
  const own = env[variable]
  if (own !== undefined && path.isAbsolute(own)) return path.join(own, 'gupper')
  return env.HOME !== undefined && path.isAbsolute(env.HOME)
    ? path.join(env.HOME, below, 'gupper')
    : undefined
}
