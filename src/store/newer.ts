import type { Filter } from '../package/filter.ts'
import { describeTarget } from './target.ts'

/**
 * Narrows a filter to what is newer than what stands at a path: its version, less the builds that were taken back, and
 * only packages of the name that is installed there. What the filter says already is kept.
 * @param path where a program is, or will be, installed
 * @param options see {@link describeTarget}
 */
export async function newerThan(
  path: string,
  filter: Filter,
  options: Parameters<typeof describeTarget>[1],
): Promise<Filter> {
  const { name, version, rejected } = await describeTarget(path, options)
  return {
    ...(version !== undefined && { newerThan: version }),
    ...(name !== undefined && { names: [name] }),
    ...filter,
    rejected,
  }
}
