import { setTimeout as delay } from 'node:timers/promises'
import { clearSocket } from '../net/listening.ts'
import type { KeeperIdentity } from './programs/keeper.ts'
import { isAlive } from './programs/process.ts'

const longest = 1000 // ms that the shell may take to go
const step = 5

/**
 * Takes away the Unix socket that a keeper has held, once that is gone; where anybody listens still, or something else is in
 * its place, it stays.
 */
export async function leaveSocket(keeper: KeeperIdentity | undefined): Promise<void> {
  if (keeper?.listen === undefined || !('path' in keeper.listen)) return
  for (let waited = 0; isAlive(keeper) && waited < longest; waited += step) await delay(step)
  await clearSocket(keeper.listen.path, '--listen').catch(() => undefined)
}
