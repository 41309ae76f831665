import path from 'node:path'
import { GupperError } from '../errors.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where downloads are kept: $XDG_CACHE_HOME/gupper, by the XDG Base Directory Specification. */
export function cacheHome(env: Environment): string {
  return home(env, 'XDG_CACHE_HOME', '.cache')
}

/** Where what must not be lost is kept: $XDG_STATE_HOME/gupper. */
export function stateHome(env: Environment): string {
  return home(env, 'XDG_STATE_HOME', '.local/state')
}

// "All paths set in these environment variables must be absolute. If [not], [it] should … be ignored."
function home(env: Environment, variable: string, below: string): string {
  const own = env[variable]
  if (own !== undefined && path.isAbsolute(own)) return path.join(own, 'gupper')
  if (env.HOME !== undefined && path.isAbsolute(env.HOME)) return path.join(env.HOME, below, 'gupper')
  throw new GupperError('config', `neither ${variable} nor HOME is set`, {
    hint: `set ${variable} to a directory`,
  })
}
