import { access, chmod, constants, lstat, realpath, stat } from 'node:fs/promises'
import { dirname, sep } from 'node:path'
import { getuid } from 'node:process'
import { GupperError, errnoOf, explain, explaining } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import { readReceipt } from './receipt.ts'
import { settle, type Finished } from './settle.ts'
import { sweep, type Home } from './slots.ts'
import { readState, type Standing, type State } from './target.ts'
import { makeDirectory } from './durable.ts'

/** How to get hold of a target. */
export interface HoldOptions {
  /** ms to wait for another gupper at the same target; default 30 000 */
  wait?: number | undefined
  observer?: Observer | undefined
  signal?: AbortSignal | undefined
}

/**
 * Works on a target while nobody else does, on what stands there now and after what an earlier run left undone has been
 * settled. When the work fails, all that it had begun is deleted.
 * @param standing the target, as it was seen without the lock
 * @param tree whether a tree shall stand there; see {@link readState}
 * @param work gets the state, and the switch of an earlier run that had been cut off, if there was one
 * @throws GupperError `locked` (75), `cannot-write`, `no-space` (73), and what `work` throws
 */
export async function holdTarget<T>(
  { home }: Standing,
  tree: boolean,
  { wait, observer, signal }: HoldOptions,
  work: (state: State, finished: Finished | undefined) => Promise<T>,
): Promise<T> {
  const { target } = home
  await explaining(`cannot write beside ${target}`, async () => {
    await makeHome(home)
    await access(dirname(target), constants.W_OK | constants.X_OK)
    await checkOwners(home)
  })
  const { withLock } = await import('./lock.ts')
  const how = { what: target, ...(wait !== undefined && { wait }), signal, observer }
  return withLock(home.lock, how, async () => {
    const seen = await readState(target, tree)
    if (seen.home.target !== target)
      throw new GupperError('locked', `${target} was just replaced by a link to ${seen.home.target}`)
    const finished = await settle(seen)
    const state = finished === undefined ? seen : await readState(target, tree)
    try {
      return await work(state, finished)
    } catch (error) {
      const { link } = await readState(target, tree)
      await sweep(home, await readReceipt(home), link).catch((reason: unknown) => {
        observer?.warn(`cannot clean up ${home.root}: ${String(reason)}`)
      })
      throw error
    }
  })
}

/** Whoever may run what is at the target must be able to follow its link here, whatever the umask of this process is. */
async function makeHome(home: Home): Promise<void> {
  const made = await makeDirectory(home.slots)
  if (made !== undefined)
    for (const path of [dirname(home.root), home.root, home.slots])
      if (path.startsWith(made)) await chmod(path, 0o755)
  await makeDirectory(home.temporary)
}

/** In a directory where anybody may write (/tmp), somebody else could have made ours first, and swap what is in it. */
async function checkOwners(home: Home): Promise<void> {
  const mine = getuid?.()
  if (mine === undefined) return
  const { uid } = await stat(dirname(home.target))
  for (const path of [dirname(home.root), home.root, home.slots, home.temporary]) {
    const found = await lstat(path)
    if (!found.isDirectory()) throw new GupperError('cannot-write', `${path} is not a directory`)
    if (![mine, uid, 0].includes(found.uid))
      throw new GupperError('cannot-write', `${path} belongs to another user (${found.uid})`, {
        hint: 'remove it, or install to a directory of your own',
      })
  }
}

/**
 * Refuses a target at which nothing can be switched.
 * @param tree whether a tree shall stand there
 * @throws GupperError `cannot-write` (73) for a directory or a device; `usage` (64) for a file in another target's slot
 */
export async function checkTarget({ home, kind, ours }: Standing, tree: boolean): Promise<void> {
  const { target } = home
  if (kind === 'directory' || (kind === 'link' && !tree && ours !== true))
    throw new GupperError('cannot-write', `${target} is a directory`, {
      hint: `move it away, or install into it: --to ${target}/`,
    })
  if (kind === 'other')
    throw new GupperError('cannot-write', `${target} is neither a file nor a link`, { hint: 'move it away' })
  const directory = await realpath(dirname(target)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return dirname(target)
    throw explain(error, `cannot read ${dirname(target)}`, true)
  })
  if (target.endsWith(`${sep}.gupper`) || directory.split(sep).includes('.gupper'))
    throw new GupperError('usage', `${target} belongs to a version that gupper keeps`, {
      hint: 'install to the link that leads there',
    })
}
