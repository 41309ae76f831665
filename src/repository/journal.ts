import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, errnoOf, explain, explaining } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { writeDurably } from '../store/durable.ts'
import { readRegular } from '../store/read-regular.ts'
import type { Draft } from './draft.ts'
import { metadataName, metadataPath, signaturePath, targetPath, type Layout } from './layout.ts'
import { settlePlain } from './packages/plain.ts'
import { openStaging } from './packages/stage.ts'

/** What a run is about to change, so that the next one can finish or undo it. */
export interface Journal {
  /** Targets whose bytes or plain files change: file name and SHA-256 in hexadecimal. */
  targets: readonly { file: string; hash: string }[]
  /** New metadata. */
  metadata: readonly { role: string; version: number }[]
}

/** @throws GupperError `cannot-write` or `no-space` (73) */
export async function writeJournal({ journal }: Layout, entries: Journal): Promise<void> {
  await writeDurably(journal, JSON.stringify(entries), `${journal}.new`)
}

/** Forgets the journal: all that it names is done. */
export async function clearJournal({ journal }: Layout): Promise<void> {
  await explaining(`cannot write ${journal}`, () => rm(journal, { force: true }))
}

/**
 * Finishes what a run that was cut off had committed, and removes what it had not.
 * @throws GupperError `cannot-write` (73)
 */
export async function recover(draft: Draft): Promise<void> {
  const { layout } = draft
  const journal = await readJournal(layout)
  if (journal === undefined) return
  draft.observer.info(`finishing what an earlier run left undone in ${layout.root}`)
  for (const { role, version } of journal.metadata) {
    const committed = version <= draft.versionOf(role)
    // What is committed waits no more.
    await discard(
      committed ? join(layout.pending, metadataName(role, version)) : metadataPath(layout, role, version),
    )
  }
  for (const { file, hash } of journal.targets) {
    const committed = (await draft.findCommitted(file))?.target
    // Bytes whose metadata still lacks signatures are kept, and offered to nobody.
    const known = [committed, (await draft.find(file))?.target].some(
      (target) => target?.hashes.sha256 === hash,
    )
    if (!known) {
      await discard(targetPath(layout, hash, file))
      await discard(signaturePath(targetPath(layout, hash, file)))
    }
    if (committed !== undefined) await settlePlain(layout, file, committed, draft.observer)
  }
  await openStaging(layout.staging)
  await clearJournal(layout)
}

async function discard(path: string): Promise<void> {
  await explaining(`cannot delete ${path}`, () => rm(path, { force: true }))
}

async function readJournal({ journal }: Layout): Promise<Journal | undefined> {
  try {
    const { targets, metadata } = JSON.parse((await readRegular(journal)).toString('utf8')) as Journal
    // Whoever else may write here must not choose what is deleted elsewhere.
    return {
      targets: targets.filter(({ file, hash }) => isSafeName(file) && /^[0-9a-f]{64}$/.test(hash)),
      metadata: metadata.filter(({ role, version }) => typeof role === 'string' && Number.isInteger(version)),
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    if (errnoOf(error) !== undefined) throw explain(error, `cannot read ${journal}`, true)
    throw new GupperError('damaged', `${journal} is not what gupper wrote`, {
      cause: error,
      hint: 'remove it, then publish what was published last once more',
    })
  }
}
