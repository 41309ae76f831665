import { silent } from '../../package/observer.ts'
import { readCommitted } from '../committed.ts'
import { Draft } from '../draft.ts'
import { noKeys } from '../keys/keyring.ts'
import { layoutOf } from '../layout.ts'
import { defaultLives } from '../lives.ts'
import { readPending } from './pending.ts'
import { collect, findFirst } from './collect.ts'
import type { Waiting } from './file.ts'

/**
 * What waits in a repository, and what files would bring, for people to read: nothing is locked, and nothing changed.
 * @param files paths of files that wait, see {@link collect}
 * @throws GupperError `config` (78) where there is no repository, `untrusted` (77), `conflict` (65)
 */
export async function readWaiting(repository: string, files: readonly string[] = []): Promise<Waiting[]> {
  const layout = layoutOf(repository)
  if (await findFirst(layout)) return (await collect(layout, undefined, files)).waiting
  const parts = { keyring: noKeys, lives: defaultLives, now: new Date(), observer: silent }
  const committed = await readCommitted(layout)
  const draft = new Draft({ ...parts, layout, committed, pending: await readPending(layout) })
  return (await collect(layout, draft, files)).waiting
}
