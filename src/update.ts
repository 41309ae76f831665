import { resolve } from 'node:path'
import { GupperError } from './errors.ts'
import type { Filter } from './package/filter.ts'
import { isAbort } from './package/flow.ts'
import { toFailure, type Item } from './package/record.ts'
import { fetchPackages, type FetchOptions } from './sources/fetch.ts'
import { list, type ListOptions } from './sources/list.ts'
import { install, type InstallOptions } from './store/install.ts'
import { newerThan } from './store/newer.ts'
import { readState } from './store/target.ts'
import { verify, type VerifyOptions } from './trust/verify.ts'

/** The options of all the steps of an update. */
export type UpdateOptions = ListOptions & FetchOptions & VerifyOptions & InstallOptions

/**
 * The `update` step: list, fetch, verify and install composed; the choice is what is newer than what stands at `to`.
 * @param addresses the sources
 * @returns what the same pipe would: the installed record, and failures; nothing when nothing is new
 */
export async function* update(addresses: readonly string[], options: UpdateOptions): AsyncGenerator<Item> {
  const { to, filter = {} } = options
  if (to.endsWith('/'))
    throw new GupperError('usage', `${to} is a directory: an update is of one program`, {
      hint: 'name the program, e.g.: --to ./bin/app',
    })
  let newer: Filter
  try {
    newer = await newerThan(to, filter, options)
  } catch (thrown) {
    if (isAbort(thrown)) throw thrown
    // As in the pipe, where `list --newer-than` would fail: a travelling failure, which --always starts the program after.
    yield toFailure('list', thrown)
    return
  }
  const found = list(addresses, { ...options, filter: newer })
  let any = false
  for await (const item of install(verify(fetchPackages(found, options), options), options)) {
    any = true
    yield item
  }
  // Where something is installed, nothing new is no news; neither is what has to wait for its time.
  if (any || filter.aged !== undefined || (await readState(resolve(options.cwd, to))).kind !== 'missing')
    return
  options.observer?.warn(`nothing fits in ${addresses.join(', ')}, and nothing is installed at ${to}`, {
    hint: `see what is there: gupper list --all ${addresses.join(' ')}`,
  })
}
