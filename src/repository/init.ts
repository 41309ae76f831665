import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { GupperError, errnoOf, explain } from '../errors.ts'
import { silent } from '../package/observer.ts'
import { openDirectory } from '../store/durable.ts'
import { withLock } from '../store/lock.ts'
import { makeDirectories } from './commit.ts'
import { writeFirst, type RootOptions } from './first-metadata.ts'
import type { RepositoryOptions } from './hold.ts'
import { layoutOf, metadataName, metadataPath, type Layout } from './layout.ts'
import { defaultLives } from './lives.ts'
import { keyNames, openKeys, ownKeys, type OwnOptions } from './keys/own-keys.ts'

/** What a new repository is to be. */
export interface InitOptions extends Omit<RepositoryOptions, 'keyring'>, OwnOptions {
  /** The directory of the keys; made when missing. With a passphrase those that are made are encrypted. */
  keys: string
  /** Whose keys sign the root too, and how many must. */
  others?: RootOptions | undefined
}

/** What was made. */
export interface Initialized {
  repository: string
  /** The file that clients get by a way they trust. */
  root: string
  /** The first root, where it waits for the signatures of others. */
  pending?: string
  keys: { role: string; keyid: string; path: string; made: boolean }[]
}

/**
 * Makes a directory a signed repository, with its keys. Keys that are there under their names are used; a run that was
 * cut off is finished by the next one.
 * @param repository the directory, REPO; made when missing
 * @throws GupperError `conflict` (65) when it is one already, `usage` (64), `config` (78), `cannot-write`, `no-space` (73)
 */
export async function initRepository(repository: string, options: InitOptions): Promise<Initialized> {
  const layout = layoutOf(repository)
  const keysDirectory = resolve(options.keys)
  const { observer = silent, wait = 60_000, signal, now = new Date(), lives = defaultLives } = options
  await refuseExisting(layout)
  await openDirectory(layout.root, 0o755)
  await openKeys(keysDirectory, layout.root)
  return withLock(layout.lock, { what: layout.root, wait, signal, observer }, async () => {
    await refuseExisting(layout)
    const keys = await ownKeys(keysDirectory, options)
    await makeDirectories(layout)
    const waits = await writeFirst(layout, keys, lives, now, options.others)
    return {
      repository: layout.root,
      root: metadataPath(layout, 'root', 1),
      ...(waits && { pending: join(layout.pending, metadataName('root', 1)) }),
      keys: keyNames.map((role) => {
        const { id, path, made } = keys[role]
        return { role, keyid: id, path, made }
      }),
    }
  })
}

async function refuseExisting(layout: Layout): Promise<void> {
  const names = await readdir(layout.metadata).catch((error: unknown): string[] => {
    // What is no directory is told of by the one who tries to make it one.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw explain(error, `cannot read ${layout.metadata}`, true)
  })
  // Only what the beginning of this very work leaves behind may be there.
  const strange = names.find((name) => !/^1\.(root|targets|snapshot)\.json$/.test(name))
  if (strange === undefined) return
  const whole = names.includes('timestamp.json')
  throw new GupperError(
    'conflict',
    whole
      ? `${layout.root} is a signed repository already`
      : `${layout.metadata} holds ${strange}, but no timestamp.json`,
    {
      hint: whole
        ? 'publish to it: gupper publish --to REPO --keys DIR; or choose another directory'
        : 'restore the file from a backup, or choose another directory',
    },
  )
}
