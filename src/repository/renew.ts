import type { Draft } from './draft.ts'
import { isHalfSpent } from './lives.ts'
import { countKeys } from './sign.ts'

const day = 86_400_000
const soon = 14 * day

/**
 * Signs targets again when less than half of its life is left and its keys are at hand, and the bins with it: those that
 * nobody publishes into would expire unseen.
 * @returns whether anything was renewed
 */
export async function renewDue(draft: Draft): Promise<boolean> {
  const { lives, now, keyring } = draft
  const top = await draft.read('targets')
  if (top === undefined || !isHalfSpent(top.expires, lives.targets, now)) return false
  if (countKeys(await draft.authorityOf('targets'), keyring) === 0) return false
  await renewAll(draft)
  return true
}

/** Gives targets and everything it spreads its targets over a new version and a new life. */
export async function renewAll(draft: Draft): Promise<void> {
  const bins = (await draft.edit('targets')).delegations?.succinct_roles
  if (bins !== undefined) for (const role of (await draft.roles()).slice(1)) await draft.edit(role)
}

/** Warns of what was signed by hand and expires soon: only its keys' owner can renew it. */
export async function warnOfExpiry(draft: Draft): Promise<void> {
  const { root } = draft.committed
  const targets = draft.edited.get('targets') ?? (await draft.readCommitted('targets'))?.signed
  const hints = {
    root: 'sign it again with its keys: gupper trust rotate root',
    targets: 'sign it again with its keys: gupper trust refresh REPO --keys DIR',
  }
  for (const [role, expires] of [
    ['root', root.signed.expires],
    ['targets', targets?.expires],
  ] as const) {
    if (expires === undefined) continue
    const left = Date.parse(expires) - draft.now.getTime()
    if (left <= 0)
      draft.observer.warn(`the role ${role} has expired on ${expires}: clients refuse the repository`, {
        hint: hints[role],
      })
    else if (left < soon) draft.observer.warn(`the role ${role} expires on ${expires}`, { hint: hints[role] })
  }
}
