import { silent, type Observer } from '../package/observer.ts'
import { withLock } from '../store/lock.ts'
import { demandAnchored } from './anchor.ts'
import { readCommitted, readRoot } from './committed.ts'
import { Draft } from './draft.ts'
import { recover } from './journal.ts'
import { noKeys, type Keyring } from './keys/keyring.ts'
import { layoutOf } from './layout.ts'
import { defaultLives, type Lives } from './lives.ts'
import { readPending, settlePending } from './pending/pending.ts'
import { finishTurn } from './roles/turn.ts'

/** What work on a repository needs. */
export interface RepositoryOptions {
  keyring?: Keyring | undefined
  lives?: Lives | undefined
  /** How long to wait for others at work there, in ms. Default 60 000. */
  wait?: number | undefined
  /** What counts as the present; the clock's when not given. */
  now?: Date | undefined
  signal?: AbortSignal | undefined
  observer?: Observer | undefined
}

/**
 * Works on a signed repository while nobody else does, after what an earlier run left undone has been finished or undone.
 * @param repository the directory, REPO
 * @param work gets a draft of the next state; {@link conclude} makes it the state
 * @throws GupperError `locked` (75), `config` (78) where there is none, `untrusted` (77) where its files are damaged,
 * `cannot-write` (73), and what `work` throws
 */
export async function holdRepository<T>(
  repository: string,
  options: RepositoryOptions,
  work: (draft: Draft) => Promise<T>,
): Promise<T> {
  const layout = layoutOf(repository)
  const { observer = silent, wait = 60_000, signal } = options
  // Before the lock makes a directory there.
  await readRoot(layout)
  return withLock(layout.lock, { what: layout.root, wait, signal, observer }, async () => {
    const keyring = (await options.keyring?.again?.()) ?? options.keyring ?? noKeys
    await settlePending(layout)
    await finishTurn(layout)
    const committed = await readCommitted(layout)
    await demandAnchored(layout, committed.root, keyring)
    const draft = new Draft({
      layout,
      committed,
      pending: await readPending(layout),
      keyring,
      lives: options.lives ?? defaultLives,
      now: options.now ?? new Date(),
      observer,
    })
    await recover(draft)
    signal?.throwIfAborted()
    return work(draft)
  })
}
