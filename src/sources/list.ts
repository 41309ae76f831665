import { GupperError } from '../errors.ts'
import { choose, type Filter } from '../package/filter.ts'
import { toFailure, type Item, type PackageRecord } from '../package/record.ts'
import { createProbeSource } from './probe.ts'
import { findDirectory, openSource, type Source, type SourceOptions } from './source.ts'
import type { Trust } from './trust.ts'

/** What `list` and `watch` read. */
export interface ListOptions extends SourceOptions {
  filter?: Filter
  /** Directories of executables that are asked for their version. */
  probe?: readonly string[]
  /** All addresses are mirrors of one signed repository, and its records come from what this root of trust proves. */
  trust?: Trust | undefined
}

/**
 * Opens all sources of a call. One that cannot be opened takes the place of its source as the reason.
 * @throws GupperError `usage` when there is none at all
 */
export async function openSources(
  addresses: readonly string[],
  options: ListOptions,
): Promise<(Source | { url: string; reason: unknown })[]> {
  const { probe = [], filter, cwd, trust } = options
  if (addresses.length + probe.length === 0)
    throw new GupperError('usage', 'no source is given', {
      hint: 'name one, e.g. http://repo:8080 or ./packages',
    })
  if (trust !== undefined) {
    if (probe.length > 0)
      throw new GupperError('usage', '--probe and --trust exclude each other', {
        hint: 'what is asked for its version is vouched for by nobody',
      })
    const { createTrustedSource } = await import('./trusted.ts')
    return [await createTrustedSource(addresses, trust, options)]
  }
  const [only, more] = filter?.names ?? []
  const name = more === undefined ? only : undefined
  const opening = [
    ...addresses.map((address) => [address, () => openSource(address, options)] as const),
    ...probe.map(
      (place) =>
        [place, async () => createProbeSource(await findDirectory(place, cwd), name, options)] as const,
    ),
  ]
  return Promise.all(opening.map(([url, open]) => open().catch((reason: unknown) => ({ url, reason }))))
}

/**
 * The `list` step: what the sources have and the filter lets through, the newest of each name over all of them.
 * @param addresses see {@link openSource}
 * @returns records by name, newest first; before them a failure for each source that could not be read
 */
export async function* list(addresses: readonly string[], options: ListOptions): AsyncGenerator<Item> {
  const { filter = {}, signal } = options
  const found: PackageRecord[] = []
  const sources = await openSources(addresses, options)
  const answers = await Promise.allSettled(
    sources.map(async (source) => {
      if ('reason' in source) throw source.reason
      return (await source.read(filter)) ?? []
    }),
  )
  for (const source of sources) if ('close' in source) source.close()
  signal?.throwIfAborted()
  for (const source of sources) {
    if (!('troubles' in source)) continue
    for (const trouble of source.troubles ?? []) yield toFailure('list', trouble)
  }
  for (const answer of answers) {
    if (answer.status === 'rejected') yield toFailure('list', answer.reason)
    else for (const record of answer.value) found.push(record)
  }
  yield* choose(found, filter)
}
