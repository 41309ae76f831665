import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { hashFile } from '../../src/package/digest.ts'
import type { Item, PackageRecord } from '../../src/package/record.ts'
import type { Observer } from '../../src/package/observer.ts'
import { silent } from '../../src/package/observer.ts'
import { readCommitted } from '../../src/repository/committed.ts'
import { Draft } from '../../src/repository/draft.ts'
import { writeEnvelope } from '../../src/repository/envelope.ts'
import { initRepository, type InitOptions } from '../../src/repository/init.ts'
import { makeKey, writeKeyFile } from '../../src/repository/keys/key-file.ts'
import { noKeys, readKeyring, type Keyring } from '../../src/repository/keys/keyring.ts'
import { layoutOf, targetPath } from '../../src/repository/layout.ts'
import { defaultLives } from '../../src/repository/lives.ts'
import { isYanked } from '../../src/repository/packages/plain.ts'
import { signWith } from '../../src/repository/sign.ts'
import { keyIdOf, publicKeyOf } from '../../src/trust/tuf/key.ts'
import { publish, readPackages, type PublishOptions } from '../../src/repository/packages/publish.ts'

/** A directory of its own for a test, deleted after it. */
export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'gupper-repository-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** A repository with its keys, in a directory of its own. */
export interface World {
  dir: string
  repo: string
  keys: string
  keyring: Keyring
}

/** Makes a signed repository. */
export async function makeWorld(options: Partial<InitOptions> = {}): Promise<World> {
  const dir = await makeDir()
  const [repo, keys] = [path.join(dir, 'repo'), path.join(dir, 'keys')]
  await initRepository(repo, { keys, ...options })
  return { dir, repo, keys, keyring: await readKeyring([keys], { passphrase: options.passphrase }) }
}

/** Writes a package; its bytes tell nothing unless they are given. */
export async function writePackage(
  dir: string,
  file: string,
  bytes = `the bytes of ${file}\n`,
): Promise<string> {
  const place = path.join(dir, file)
  await writeFile(place, bytes)
  return place
}

/** Publishes files and gives what the verb would write. */
export async function publishFiles(
  { repo, keyring, dir }: Pick<World, 'repo' | 'keyring' | 'dir'>,
  files: readonly string[],
  options: Partial<PublishOptions> = {},
): Promise<Item[]> {
  return Array.fromAsync(publish(readPackages(files, dir), { to: repo, keyring, ...options }))
}

/** The part of a published record that says what happened. */
export function publicationOf(item: Item | undefined): Record<string, unknown> {
  return (item as PackageRecord).publication as Record<string, unknown>
}

/** What the repository says to the world. */
export async function readDraft(repo: string): Promise<Draft> {
  const layout = layoutOf(repo)
  const committed = await readCommitted(layout)
  const parts = {
    keyring: noKeys,
    lives: defaultLives,
    now: new Date(),
    observer: silent,
    pending: new Map(),
  }
  return new Draft({ layout, committed, ...parts })
}

/**
 * Holds everything a repository says against what is there.
 * @returns the files that are published, without those that are yanked
 */
export async function checkRepository(repo: string): Promise<string[]> {
  const draft = await readDraft(repo)
  const { layout } = draft
  const offered: string[] = []
  for (const role of await draft.roles()) {
    const targets = (await draft.read(role))?.targets
    if (targets === undefined) throw new Error(`${role} is missing`)
    for (const [file, target] of Object.entries(targets)) {
      const hash = target.hashes.sha256 ?? ''
      const { digest, size } = await hashFile(targetPath(layout, hash, file))
      if (digest !== `sha256:${hash}` || size !== target.length) throw new Error(`${file} has other bytes`)
      if (!isYanked(target)) offered.push(file)
    }
  }
  return offered.sort()
}

/** All files below a directory but the lock, in order. */
export async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name !== 'lock')
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)))
    .sort()
}

/** The content of all metadata, to be compared. */
export async function metadataOf(repo: string): Promise<Record<string, string>> {
  const dir = path.join(repo, 'metadata')
  const names = (await readdir(dir)).sort()
  return Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, await readFile(path.join(dir, name), 'utf8')] as const),
    ),
  )
}

/** Keeps what people are told. */
export function createEar(): Observer & { said: string[] } {
  const said: string[] = []
  const hear = (level: string) => (message: string) => void said.push(`${level}: ${message}`)
  return { ...silent, warn: hear('warn'), info: hear('info'), error: hear('error'), said }
}

/** A second key for targets, which from now on takes both; root is signed by its key. Gives the new key's keyring. */
export async function demandTwo(world: World): Promise<Keyring> {
  const { root } = await readCommitted(layoutOf(world.repo))
  const second = path.join(world.dir, 'second')
  await mkdir(second)
  await writeKeyFile(path.join(second, 'targets-2.pem'), makeKey('ed25519'))
  const keyring = await readKeyring([second])
  const [own] = keyring.keys.values()
  const key = own && publicKeyOf(own.half)
  if (key === undefined) throw new Error('there is no second key')
  const signed = structuredClone(root.signed)
  signed.version++
  signed.keys[keyIdOf(key)] = key
  signed.roles.targets = { keyids: [...signed.roles.targets.keyids, keyIdOf(key)], threshold: 2 }
  const authority = { role: signed.roles.root, keys: signed.keys }
  const envelope = signWith({ signed, signatures: [] }, authority, world.keyring)
  await writeFile(path.join(world.repo, 'metadata', `${signed.version}.root.json`), writeEnvelope(envelope))
  return keyring
}

/** Several keyrings as one. */
export function joinKeyrings(...rings: Keyring[]): Keyring {
  return {
    keys: new Map(rings.flatMap(({ keys }) => [...keys])),
    places: rings.flatMap(({ places }) => places),
    troubles: [],
  }
}

/** A keyring with only some of the keys of a world: "root", "targets", "online". */
export async function pickKeyring({ keys }: World, ...names: string[]): Promise<Keyring> {
  return readKeyring(names.map((name) => path.join(keys, `${name}.pem`)))
}
