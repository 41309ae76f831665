import type { KeyObject } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { GupperError, explaining } from '../../errors.ts'
import type { Observer } from '../../package/observer.ts'
import { identityOf, publicKeyOf, readPublicKey } from '../../trust/tuf/key.ts'
import type { PublicKey } from '../../trust/tuf/model.ts'
import { readKeyFile } from './key-file.ts'

/** The private keys at hand, found by content and not by name. */
export interface Keyring {
  /** By identity, see {@link identityOf}. */
  keys: ReadonlyMap<string, SigningKey>
  /** The directories and files they were looked for in. */
  places: readonly string[]
  /** What was wrong with other files; of interest when a key is missing. */
  troubles: readonly GupperError[]
  /** Reads the directories again: another gupper may have changed keys there while this one waited for its turn. */
  again?: () => Promise<Keyring>
}

/** A private key, and the file it is from. */
export interface SigningKey {
  half: KeyObject
  path: string
}

/** How to read keys. */
export interface KeyringOptions {
  passphrase?: string | undefined
  observer?: Observer | undefined
}

/** No keys at all. */
export const noKeys: Keyring = { keys: new Map(), places: [], troubles: [] }

/**
 * Reads all keys of some places: of a directory its *.pem, or one file.
 * @param places paths
 * @throws GupperError `config` (78) where a place does not exist
 */
export async function readKeyring(places: readonly string[], options: KeyringOptions = {}): Promise<Keyring> {
  const first = await readPlaces(places, options)
  const { passphrase } = options
  const again = async (): Promise<Keyring> => {
    // A file that was named itself may be a pipe, which is read once.
    const named = [...first.keys].filter(([, { path }]) => places.includes(path))
    const next = await readPlaces(await onlyDirectories(places), { passphrase })
    const troubles = next.places.length < places.length ? first.troubles : next.troubles
    return { keys: new Map([...named, ...next.keys]), places, troubles }
  }
  return { ...first, again }
}

async function onlyDirectories(places: readonly string[]): Promise<string[]> {
  const found = await Promise.all(places.map((place) => stat(place).catch(() => undefined)))
  return places.filter((_, at) => found[at]?.isDirectory())
}

async function readPlaces(places: readonly string[], options: KeyringOptions): Promise<Keyring> {
  const keys = new Map<string, SigningKey>()
  const troubles: GupperError[] = []
  for (const path of (await Promise.all(places.map(findFiles))).flat()) {
    await warnOfReaders(path, options.observer)
    try {
      const half = await readKeyFile(path, options.passphrase, places.includes(path))
      if (publicKeyOf(half) === undefined)
        throw new GupperError('config', `the key ${path} is of a kind that cannot sign here`)
      keys.set(identityOf(half), { half, path })
    } catch (error) {
      if (!(error instanceof GupperError)) throw error
      troubles.push(error)
    }
  }
  for (const { message } of troubles) options.observer?.debug(message)
  return { keys, places, troubles }
}

async function findFiles(place: string): Promise<string[]> {
  const found = await stat(place).catch((cause: unknown) => {
    throw new GupperError('config', `there are no keys at ${place}`, {
      cause,
      hint: 'name the directory of your keys: --keys DIR; gupper trust init makes them',
    })
  })
  if (!found.isDirectory()) return [place]
  const names = await explaining(`cannot read ${place}`, () => readdir(place), true)
  return names
    .filter((name) => name.endsWith('.pem') && !name.startsWith('.'))
    .sort()
    .map((name) => join(place, name))
}

/** Warns of a key file that others than its owner may read. */
export async function warnOfReaders(path: string, observer: Observer | undefined): Promise<void> {
  const { mode } = await stat(path).catch(() => ({ mode: 0 }))
  if ((mode & 0o077) !== 0 && process.platform !== 'win32')
    observer?.warn(`the key ${path} can be read by others`, { hint: `chmod 600 '${path}'` })
}

/** The private half of a key of some metadata, if it is at hand. */
export function findKey({ keys }: Keyring, key: PublicKey): SigningKey | undefined {
  try {
    return keys.get(identityOf(readPublicKey(key).key))
  } catch {
    return undefined
  }
}
