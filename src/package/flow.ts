import { GupperError, isErrorCode } from '../errors.ts'
import { isFailure, toFailure, type Item, type PackageRecord } from './record.ts'

/** What a step reads and writes. */
export type Items = AsyncIterable<Item>

/**
 * Makes a step of one record at a time: failures of earlier steps travel on untouched, a failure of this one takes the
 * place of its record, and a record is written only after the work on it has succeeded.
 * @param step the verb, for the failures
 * @param items what the step before wrote
 * @param work acts on one record; returns what to write in its place
 */
export async function* eachRecord(
  step: string,
  items: Items,
  work: (record: PackageRecord) => Promise<PackageRecord>,
): AsyncGenerator<Item> {
  for await (const item of items) {
    if (isFailure(item)) {
      yield item
      continue
    }
    try {
      yield await work(item)
    } catch (thrown) {
      if (isAbort(thrown)) throw thrown
      yield toFailure(step, thrown, item)
    }
  }
}

/** Whether something was thrown because the whole step was told to stop. */
export function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === 'AbortError'
}

/**
 * For programs that embed the steps: gives the records and throws the first failure.
 * @throws GupperError of the failure that arrives
 */
export async function* orThrow(items: Items): AsyncGenerator<PackageRecord> {
  for await (const item of items) {
    if (!isFailure(item)) {
      yield item
      continue
    }
    const { code, message, hint } = item.error
    throw new GupperError(isErrorCode(code) ? code : 'bug', message, {
      ...(hint !== undefined && { hint }),
      cause: item,
    })
  }
}

/** Gives records that are already there as a step's input. */
export async function* from(items: Iterable<Item>): AsyncGenerator<Item> {
  await Promise.resolve()
  yield* items
}
