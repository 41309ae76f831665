import { lstat } from 'node:fs/promises'
import type { KeyObject } from 'node:crypto'
import { dirname, join } from 'node:path'
import { GupperError, errnoOf, explain, explaining } from '../../errors.ts'
import type { Observer } from '../../package/observer.ts'
import { makeDirectory, openDirectory } from '../../store/durable.ts'
import { sweep } from '../../store/pack-leftovers.ts'
import { keyIdOf, publicKeyOf } from '../../trust/tuf/key.ts'
import type { PublicKey } from '../../trust/tuf/model.ts'
import { makeKey, readKeyFile, writeKeyFile, type KeyType } from './key-file.ts'
import { warnOfReaders } from './keyring.ts'
import { demandOutside } from './outside.ts'

/** Root and targets sign by hand and are kept offline; the online key signs snapshot and timestamp by itself. */
export const keyNames = ['root', 'targets', 'online'] as const
export type KeyName = (typeof keyNames)[number]

/** A key of a new repository. */
export interface Own {
  half: KeyObject
  key: PublicKey
  id: string
  path: string
  made: boolean
}

/** How keys are made and read. */
export interface OwnOptions {
  type?: KeyType | undefined
  passphrase?: string | undefined
  observer?: Observer | undefined
}

/**
 * Gives the keys of a directory under their names; those that are missing are made.
 * @throws GupperError `config` (78) where one cannot be used, `cannot-write` or `no-space` (73)
 */
export async function ownKeys(directory: string, options: OwnOptions): Promise<Record<KeyName, Own>> {
  const own: Partial<Record<KeyName, Own>> = {}
  for (const name of keyNames) own[name] = await ownKey(join(directory, `${name}.pem`), options)
  const keys = own as Record<KeyName, Own>
  refuseShared(keys)
  return keys
}

/**
 * Makes the directory of the keys, for its owner only.
 * @throws GupperError `usage` (64) where it would be published with the repository
 */
export async function openKeys(directory: string, root: string): Promise<void> {
  await explaining(`cannot write ${directory}`, async () => {
    await demandOutside(directory, root)
    await makeDirectory(dirname(directory))
    // A private key that was being written must not lie about.
    if (!(await openDirectory(directory, 0o700))) await sweep(directory)
  })
}

/**
 * Gives the key of a file; it is made when it is missing.
 * @throws GupperError `config` (78) where it cannot be used, `cannot-write` or `no-space` (73)
 */
export async function ownKey(
  path: string,
  { type = 'ed25519', passphrase, observer }: OwnOptions,
): Promise<Own> {
  const there = async (): Promise<boolean> =>
    lstat(path).then(
      () => true,
      (error: unknown) => {
        if (errnoOf(error) === 'ENOENT') return false
        throw explain(error, `cannot read ${path}`, true)
      },
    )
  const made = !(await there()) && (await writeKeyFile(path, makeKey(type), passphrase))
  if (!made && observer !== undefined) await warnOfReaders(path, observer)
  const half = await readKeyFile(path, passphrase)
  const key = publicKeyOf(half)
  if (key === undefined) throw new GupperError('config', `the key ${path} is of a kind that cannot sign here`)
  return { half, key, id: keyIdOf(key), path, made }
}

// One key in two hands would make of two signatures one.
function refuseShared(keys: Record<KeyName, Own>): void {
  const [root, targets, online] = keyNames.map((name) => keys[name])
  for (const [one, other] of [
    [root, targets],
    [root, online],
    [targets, online],
  ] as const)
    if (one !== undefined && other !== undefined && one.id === other.id)
      throw new GupperError('config', `${one.path} and ${other.path} are the same key`, {
        hint: 'remove one of them; a new one is made in its place',
      })
}
