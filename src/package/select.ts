import { accepts, choose, inOrder, type Filter } from './filter.ts'
import type { Items } from './flow.ts'
import { isFailure, type Item, type PackageRecord } from './record.ts'

/**
 * The `select` step: keeps of records from anywhere what fits. With `all`, and for the records of a stream that goes on
 * (`watch`), each is passed on at once; else the newest of each name once the input has ended.
 * @param items what the step before wrote; failures travel on at once
 */
export async function* select(items: Items, filter: Filter): AsyncGenerator<Item> {
  const fits = accepts(filter)
  const newest = new Map<string, PackageRecord>()
  const passed = new Map<string, PackageRecord>()
  for await (const item of items) {
    if (isFailure(item)) yield item
    else if (!fits(item)) continue
    else if (filter.all) yield item
    else if (item.watched) {
      const before = passed.get(item.name)
      if (before && inOrder(before, item) <= 0) continue
      passed.set(item.name, item)
      yield item
    } else {
      const before = newest.get(item.name)
      if (!before || inOrder(item, before) < 0) newest.set(item.name, item)
    }
  }
  yield* choose(newest.values(), filter)
}
