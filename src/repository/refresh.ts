import { conclude, type Outcome } from './conclude.ts'
import { holdRepository, type RepositoryOptions } from './hold.ts'
import { canCommit } from './commit.ts'
import { renewDue, warnOfExpiry } from './renew.ts'
import { renewRoot } from './roles/root-change.ts'
import { tryTurn, turn } from './roles/root-turn.ts'

/**
 * Signs the timestamp again, and the snapshot when less than half of its life is left; the online key is enough. Commits
 * what waited and is complete by now. With the keys of targets at hand these are renewed when it is time.
 * @param repository the directory, REPO
 * @returns what was committed and what still waits
 * @throws GupperError `config` (78) without the online key, and what {@link holdRepository} and {@link conclude} throw
 */
export async function refresh(repository: string, options: RepositoryOptions): Promise<Outcome> {
  return holdRepository(repository, options, async (draft) => {
    const root = await renewRoot(draft)
    // Where a publisher went past what waited for it, targets have to be signed anew by everybody.
    const keep = draft.waiting('targets') === undefined
    const turned = root && (await tryTurn(draft, root, { refresh: canCommit(turn(draft, root)), keep }))
    if (turned !== undefined) return turned
    const next = root ? draft.with({ pending: new Map([...draft.pending, ['root', root]]) }) : draft
    await renewDue(next)
    await warnOfExpiry(next)
    // Whoever has only the keys of what is renewed leaves the rest to the online key.
    return conclude(next, { refresh: next.edited.size === 0 || canCommit(next) })
  })
}
