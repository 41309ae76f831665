import type { Environment } from './store/probe.ts'
import { describeTarget } from './store/target.ts'
import { GupperError } from './errors.ts'
import type { Filter } from './package/filter.ts'
import type { Observer } from './package/observer.ts'
import type { Item } from './package/record.ts'
import { fetchPackages, type FetchOptions } from './sources/fetch.ts'
import { list, type ListOptions } from './sources/list.ts'
import { install, type InstallOptions } from './store/install.ts'
import { verify, type VerifyOptions } from './trust/verify.ts'

/** What a path tells a filter. */
export interface TargetOptions {
  env: Environment
  observer?: Observer
  signal?: AbortSignal
}

/**
 * Narrows a filter to what is newer than what stands at a path: its version, less the builds that were taken back, and
 * only packages of the name that is installed there, unless names are given.
 * @param path where a program is, or will be, installed
 */
export async function newerThan(path: string, filter: Filter, options: TargetOptions): Promise<Filter> {
  const target = await describeTarget(path, options)
  return {
    ...filter,
    ...(target.version !== undefined && { newerThan: target.version }),
    ...(target.name !== undefined && !filter.names && { names: [target.name] }),
    rejected: target.rejected,
  }
}

/** The options of all the steps of an update. */
export type UpdateOptions = ListOptions & FetchOptions & VerifyOptions & InstallOptions

/**
 * The `update` step: list, fetch, verify and install composed, with the newer than what is installed as the choice.
 * @param addresses the sources
 * @returns what the same pipe would: the installed records, and failures; nothing when nothing is new
 */
export async function* update(addresses: readonly string[], options: UpdateOptions): AsyncGenerator<Item> {
  const { to, env, observer, signal } = options
  if (to.endsWith('/'))
    throw new GupperError('usage', `${to} is a directory: an update is of one program`, {
      hint: 'name the program, e.g.: --to ./bin/app',
    })
  const filter = await newerThan(to, options.filter ?? {}, {
    env,
    ...(observer && { observer }),
    ...(signal && { signal }),
  })
  const found = list(addresses, { ...options, filter })
  yield* install(verify(fetchPackages(found, options), options), options)
}
