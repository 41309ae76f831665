import type { Envelope, Root, Targets } from '../../trust/tuf/model.ts'
import type { Draft } from '../draft.ts'
import type { Pending } from './pending.ts'
import type { Authority } from '../sign.ts'

/** What travels with metadata that waits, so that it can be signed where the repository is not; clients never see it. */
export interface Context {
  role: string
  /** Who may sign it; each of them must, with a threshold. */
  authorities: Authority[]
  /** What is to be replaced. */
  before?: Envelope<Root> | Envelope<Targets>
}

/**
 * Adds to what waits what its signers need, as the member `gupper` beside `signed`.
 * @param draft of which it is a part
 */
export async function withContext(draft: Draft, wanted: Pending): Promise<Pending> {
  const next = new Map<string, Envelope<Root> | Envelope<Targets>>()
  for (const [role, envelope] of wanted) {
    const context: Context =
      role === 'root'
        ? contextOfRoot(envelope as Envelope<Root>, previousOf(draft, envelope as Envelope<Root>))
        : await contextOf(draft, role, wanted.get('root') as Envelope<Root> | undefined)
    next.set(role, { ...envelope, gupper: context })
  }
  return next
}

function previousOf({ committed }: Draft, next: Envelope<Root>): Envelope<Root> | undefined {
  return committed.root.signed.version < next.signed.version ? committed.root : committed.previous
}

/** The context of a new root, which the keys of the one before it sign as well as its own (TUF 1.0.34, section 5.3.4). */
export function contextOfRoot(next: Envelope<Root>, before: Envelope<Root> | undefined): Context {
  const authorities = [before, next].flatMap((root) => (root ? [rootAuthority(root.signed)] : []))
  return { role: 'root', authorities, ...(before && { before }) }
}

/** Who may sign the root that follows on one. */
export function rootAuthority({ roles, keys }: Root): Authority {
  return { role: roles.root, keys }
}

async function contextOf(draft: Draft, role: string, next: Envelope<Root> | undefined): Promise<Context> {
  const before = await draft.readCommitted(role)
  return { role, authorities: await authoritiesOf(draft, role, next), ...(before && { before }) }
}

/**
 * Who may sign what waits.
 * @param next the root that waits with it, which may have other keys for targets
 */
export async function authoritiesOf(
  draft: Draft,
  role: string,
  next: Envelope<Root> | undefined,
): Promise<Authority[]> {
  if (role === 'targets' && next !== undefined)
    return [{ role: next.signed.roles.targets, keys: next.signed.keys }]
  try {
    return [await draft.authorityOf(role)]
  } catch {
    // What was delegated was taken back meanwhile.
    return []
  }
}
