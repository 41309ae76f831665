import { resolve } from 'node:path'
import { holdTarget, type HoldOptions } from './hold.ts'
import { activate, isRejected, reject, writeReceipt } from './receipt.ts'
import { readState } from './target.ts'

/**
 * Takes a build back that did not go live: where it stands at the target still, another slot does from now on, and one that
 * was found to be bad is remembered by its digest. Without a network, and on a full disk too.
 * @param path the target
 * @param build its digest
 * @param good the slot to go back to; without one the target stays as it is
 * @param options `bad`: whether it is the build's own fault
 * @returns whether the target was switched
 * @throws GupperError `cannot-write`, `no-space` (73); `locked` (75)
 */
export async function takeBack(
  path: string,
  build: string | undefined,
  good: string | undefined,
  options: HoldOptions & { bad: boolean },
): Promise<boolean> {
  const seen = await readState(resolve(path))
  // What gupper did not install has no receipt.
  if (seen.receipt.slots.length === 0) return false
  return holdTarget(seen, seen.kind === 'link', options, async ({ home, receipt, current }) => {
    const slot = receipt.slots.find((one) => one.slot === good)
    const stands =
      current !== undefined && current.digest === build && slot !== undefined && slot.slot !== current.slot
    if (options.bad && build !== undefined && !isRejected(receipt, build) && slot?.digest !== build)
      reject(
        receipt,
        {
          digest: build,
          version: receipt.slots.find(({ digest }) => digest === build)?.version ?? 'unknown',
        },
        'rolled-back',
      )
    if (!stands) {
      await writeReceipt(home, receipt)
      return false
    }
    const { switchTo } = await import('./switch.ts')
    receipt.pending = { step: 'rollback', to: slot.slot, from: current.slot }
    await writeReceipt(home, receipt)
    await switchTo(home, slot)
    activate(receipt, slot)
    await writeReceipt(home, receipt)
    return true
  })
}
