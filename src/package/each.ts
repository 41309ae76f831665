import { setImmediate as otherWork } from 'node:timers/promises'

const slice = 2 // ms that work may keep requests waiting

/**
 * Does something with each of many things, a few at a time.
 * @param things what to go through; taken one by one, as they are needed
 * @param width how many at once
 * @param work must not throw for a reason that should not end it all
 */
export async function each<T>(
  things: Iterable<T>,
  width: number,
  work: (thing: T) => Promise<void>,
): Promise<void> {
  const rest = things[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (let next = rest.next(); !next.done; next = rest.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: width }, worker))
}

/**
 * Does something short with each of many things, and lets requests through in between.
 * @param things what to go through
 * @param work takes much less than a millisecond
 */
export async function inSlices<T>(things: Iterable<T>, work: (thing: T) => void): Promise<void> {
  let until = performance.now() + slice
  for (const thing of things) {
    work(thing)
    if (performance.now() < until) continue
    await otherWork()
    until = performance.now() + slice
  }
}
