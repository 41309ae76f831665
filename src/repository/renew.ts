import { alignBins, binNames, isBin } from './roles/bins.ts'
import type { Draft } from './draft.ts'
import { isHalfSpent } from './lives.ts'
import { countKeys, lackOf } from './sign.ts'

const day = 86_400_000
const soon = 14 * day

/**
 * Signs targets again when its keys are at hand and less than half of its life is left, or its keys have changed; and the
 * bins with it: those that nobody publishes into would expire unseen.
 * @returns whether anything was renewed
 */
export async function renewDue(draft: Draft): Promise<boolean> {
  const teams = await renewTeams(draft)
  return (await renewTargets(draft)) || teams
}

// Each by its own keys.
async function renewTeams(draft: Draft): Promise<boolean> {
  const before = draft.edited.size
  for (const role of (await draft.read('targets'))?.delegations?.roles ?? []) {
    const said = isBin(role) ? undefined : await draft.read(role.name)
    if (said === undefined || !isHalfSpent(said.expires, draft.lives.targets, draft.now)) continue
    const able = countKeys(await draft.authorityOf(role.name), draft.keyring) > 0
    if (able && (await draft.isEditable(role.name))) await draft.edit(role.name)
  }
  return draft.edited.size > before
}

async function renewTargets(draft: Draft): Promise<boolean> {
  const { lives, now, keyring } = draft
  const top = await draft.read('targets')
  if (top === undefined || countKeys(await draft.authorityOf('targets'), keyring) === 0) return false
  if (!isHalfSpent(top.expires, lives.targets, now) && !(await hasOldKeys(draft))) return false
  if (!(await draft.isEditable('targets'))) return false
  await renewAll(draft)
  return true
}

async function hasOldKeys(draft: Draft): Promise<boolean> {
  if (draft.waiting('targets') !== undefined) return false
  const committed = await draft.readCommitted('targets')
  return committed !== undefined && lackOf(committed, draft.authorityIn(undefined, 'targets')) > 0
}

/**
 * Gives targets, and everything it spreads its targets over, a new version, a new life, and the keys that root gives to
 * targets now.
 */
export async function renewAll(draft: Draft): Promise<void> {
  const { delegations } = await draft.edit('targets')
  if (delegations === undefined) return
  alignBins(delegations, await draft.authorityOf('targets'))
  for (const name of binNames(delegations)) await draft.edit(name)
}

/** Warns of what was signed by hand and expires soon: only its keys' owner can renew it. */
export async function warnOfExpiry(draft: Draft): Promise<void> {
  const { root } = draft.committed
  const targets = draft.edited.get('targets') ?? (await draft.readCommitted('targets'))?.signed
  const hints = {
    root: 'sign it again with its keys: gupper trust refresh REPO --keys DIR',
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
