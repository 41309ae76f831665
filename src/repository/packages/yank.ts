import { GupperError } from '../../errors.ts'
import type { PackageRecord } from '../../package/record.ts'
import { formatTime } from '../../package/time.ts'
import { conclude } from '../conclude.ts'
import type { Draft, Standing } from '../draft.ts'
import { holdRepository, type RepositoryOptions } from '../hold.ts'
import { isYanked } from './plain.ts'
import { recordOf } from './release.ts'
import { renewDue, warnOfExpiry } from '../renew.ts'
import { countKeys, missingKey } from '../sign.ts'

/** What to take back. */
export interface YankOptions extends RepositoryOptions {
  /** REPO */
  to: string
  name: string
  version: string
  /** Go's words; every platform when not given. */
  os?: string | undefined
  arch?: string | undefined
  reason?: string | undefined
  /** Offer it again. */
  undo?: boolean | undefined
}

/**
 * Takes a version back: it stays where it is, but is signed as yanked, and is no longer offered.
 * @returns the records of all its packages, with `publication`
 * @throws GupperError `not-found` (69), `config` (78) without a key, and what {@link holdRepository} throws
 */
export async function yank({ to, ...options }: YankOptions): Promise<PackageRecord[]> {
  return holdRepository(to, options, async (draft) => {
    const found = await search(draft, options)
    const changed = new Set<string>()
    for (const [file, { role, target }] of found) {
      if (isYanked(target) === (options.undo !== true)) continue
      const authority = await draft.authorityOf(role)
      if (countKeys(authority, draft.keyring) === 0) throw missingKey(role, authority, draft.keyring)
      const { yanked: _before, ...custom } = target.custom ?? {}
      const { at, reason } = { at: formatTime(draft.now), reason: options.reason }
      const next = options.undo
        ? custom
        : { ...custom, yanked: { at, ...(reason !== undefined && { reason }) } }
      ;(await draft.edit(role)).targets[file] = { ...target, custom: next }
      changed.add(file)
    }
    if (changed.size > 0) {
      await renewDue(draft)
      await warnOfExpiry(draft)
    }
    const { waiting, awaits } = await conclude(draft)
    return Promise.all(
      [...found].map(async ([file, { role }]) => {
        const state = await draft.read(role)
        const missing = waiting.get(role)
        const waits = missing === undefined ? {} : { pending: true, missing, awaits }
        const publication = {
          to: draft.layout.root,
          changed: changed.has(file),
          role,
          version: state?.version,
          ...waits,
        }
        const target = state?.targets[file]
        return { ...(target && recordOf(file, target)), publication } as unknown as PackageRecord
      }),
    )
  })
}

async function search(
  draft: Draft,
  { name, version, os, arch }: Omit<YankOptions, 'to'>,
): Promise<Map<string, Standing>> {
  const found = new Map<string, Standing>()
  for (const role of await draft.roles()) {
    for (const [file, target] of Object.entries((await draft.read(role))?.targets ?? {})) {
      const record = recordOf(file, target)
      if (record?.name !== name || record.version !== version) continue
      if (os !== undefined && record.os !== os) continue
      if (arch !== undefined && record.arch !== arch) continue
      // Whatever others say of it, clients do not ask them.
      if ((await draft.find(file))?.role === role) found.set(file, { role, target })
    }
  }
  if (found.size > 0) return found
  const platform = [os, arch].filter((word) => word !== undefined).join('/')
  throw new GupperError(
    'not-found',
    `${draft.layout.root} has no ${name} ${version}${platform === '' ? '' : ` for ${platform}`}`,
    { hint: `gupper list --all ${draft.layout.root} shows what is there` },
  )
}
