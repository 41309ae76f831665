import { choose, fitting, inOrder, isDue, type Filter } from './filter.ts'
import type { Items } from './flow.ts'
import { isFailure, type Item, type PackageRecord } from './record.ts'
import { withTicks } from './ticks.ts'

const heldEvery = 1000 // ms between two looks at what is held back

/**
 * The `select` step: keeps of records from anywhere what fits. With `all`, and for the records of a stream that goes on
 * (`watch`), each is passed on at once; else the newest of each name once the input has ended. A record of a stream that
 * goes on is written once; where only time holds it back, it is kept here until its time has come.
 * @param items what the step before wrote; failures travel on at once
 */
export async function* select(items: Items, filter: Filter): AsyncGenerator<Item> {
  const fits = fitting(filter)
  const newest = new Map<string, PackageRecord>()
  const passed = new Map<string, PackageRecord>()
  const held = new Map<string, PackageRecord>()
  const isNews = (item: PackageRecord): boolean => {
    if (filter.all) return true
    const before = passed.get(item.name)
    if (before && inOrder(before, item) <= 0) return false
    passed.set(item.name, item)
    return true
  }
  for await (const item of withTicks(items, heldEvery, () => held.size > 0)) {
    for (const record of [...held.values()].filter((one) => isDue(one, filter)).sort(inOrder)) {
      held.delete(keyOf(record))
      if (isNews(record)) yield record
    }
    if (item === undefined) continue
    if (isFailure(item)) yield item
    else if (!fits(item)) continue
    else if (!isDue(item, filter)) {
      if (item.watched) held.set(keyOf(item), item)
    } else if (filter.all) yield item
    else if (item.watched) {
      if (isNews(item)) yield item
    } else {
      const before = newest.get(item.name)
      if (!before || inOrder(item, before) < 0) newest.set(item.name, item)
    }
  }
  yield* choose(newest.values(), filter)
}

function keyOf({ name, file, digest }: PackageRecord): string {
  return [name, file, digest].join('\n')
}
