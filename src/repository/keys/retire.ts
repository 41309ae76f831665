import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { PublicKey, Root } from '../../trust/tuf/model.ts'
import { isBin } from '../roles/bins.ts'
import type { Draft } from '../draft.ts'
import type { Layout } from '../layout.ts'
import { findKey } from './keyring.ts'
import type { Own } from './own-keys.ts'

/**
 * Renames the files of keys at hand that a new root has taken back to FILE.retired, so that they are not read any more.
 * This repository does not need them again: the signatures that lead from the old root to the new one are made.
 * @param before the root that is replaced
 * @param next the new root
 * @returns the new names; a file that cannot be renamed stays, with a warning
 */
export async function retire(draft: Draft, before: Root | undefined, next: Root): Promise<string[]> {
  const { delegations } = (await draft.readCommitted('targets'))?.signed ?? {}
  // Without the bins, which have the keys of targets.
  const delegated = (delegations?.roles ?? []).filter((role) => !isBin(role))
  const used = new Set([...Object.keys(next.keys), ...delegated.flatMap(({ keyids }) => keyids)])
  const retired: string[] = []
  for (const [id, key] of Object.entries(before?.keys ?? {})) {
    const path = used.has(id) ? undefined : pathOf(draft, key)
    if (path === undefined) continue
    try {
      await rename(path, `${path}.retired`)
      retired.push(`${path}.retired`)
    } catch {
      draft.observer.warn(`${draft.layout.root} needs the key ${path} no more, but it cannot be renamed`, {
        hint: 'destroy it, unless another repository uses it',
      })
    }
  }
  return retired
}

function pathOf({ keyring }: Draft, key: PublicKey): string | undefined {
  return findKey(keyring, key)?.path
}

/**
 * Deletes the file of a key that was made for a change which then failed, unless anything in the repository names the key by
 * now. Nobody else may be at work there: they would find the file, and use it.
 */
export async function dropUnused({ metadata, state }: Layout, { id, path, made }: Own): Promise<void> {
  if (!made) return
  try {
    for (const directory of [metadata, state])
      for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/(root|targets)\.json$/.test(entry.name)) continue
        if ((await readFile(join(entry.parentPath, entry.name), 'utf8')).includes(id)) return
      }
    await rm(path)
  } catch {
    // One key too many does less harm than one that is lost.
  }
}
