import { join } from 'node:path'
import { errnoOf, explain } from '../errors.ts'
import { writeDurably } from '../store/durable.ts'
import { readRegular } from '../store/read-regular.ts'
import { parseMetadata } from '../trust/tuf/metadata.ts'
import type { Envelope, Root } from '../trust/tuf/model.ts'
import { demandThreshold } from '../trust/tuf/threshold.ts'
import { readRootVersion } from './committed.ts'
import type { Keyring } from './keys/keyring.ts'
import { metadataName, type Layout } from './layout.ts'

const anchorName = 'root.json'

/**
 * Keeps a copy of the first root beside the keys, unless there is one. With it whoever signs is not at the mercy of the
 * machine that the repository is on.
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function dropAnchor(keysDirectory: string, root: Uint8Array): Promise<void> {
  const path = join(keysDirectory, anchorName)
  if ((await read(path)) === undefined)
    await writeDurably(path, Buffer.from(root).toString('utf8'), `${path}.new`)
}

/**
 * Holds the newest root against the copy of an earlier one that lies beside the keys: each must be signed by the keys of
 * the one before it (TUF 1.0.34, section 5.3). Without such a copy nothing is held. One copy serves all repositories of
 * the same root keys.
 * @throws GupperError `untrusted` (77): somebody has put another root in its place
 */
export async function demandAnchored(
  layout: Layout,
  newest: Envelope<Root>,
  { places }: Keyring,
): Promise<void> {
  for (const place of places) {
    const path = join(place, anchorName)
    const bytes = await read(path)
    if (bytes === undefined) continue
    let trusted = parseMetadata('root', bytes, path)
    const { version: last } = newest.signed
    for (let version = Math.min(trusted.signed.version, last); version <= last; version++) {
      const next = version === last ? newest : await readRootVersion(layout, version)
      const name = `${metadataName('root', version)}, held against ${path},`
      demandThreshold(trusted.signed.roles.root, trusted.signed.keys, next, name)
      trusted = next
    }
  }
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readRegular(path)
  } catch (error) {
    // A place may also be a single key file.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw explain(error, `cannot read ${path}`, true)
  }
}
