import type { Release } from '../activations/activation.ts'
import type { Observer } from '../package/observer.ts'
import { takeBack } from '../store/take-back.ts'

/**
 * Takes a build back from the target, or says that it stays there: what ran before can be run again all the same.
 * @param target absolute
 * @param build what failed
 * @param good what is gone back to
 * @param options `bad`: whether it was the build's own fault
 */
export async function tryTakeBack(
  target: string,
  build: Release,
  good: Release | undefined,
  options: { observer: Observer; bad: boolean },
): Promise<void> {
  try {
    await takeBack(target, build.digest, good?.slot, options)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    options.observer.warn(`${target} stays ${build.version}: ${reason}`)
  }
}
