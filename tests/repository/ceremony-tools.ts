import { createServer } from 'node:http'
import { copyFile, mkdir, readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { Updater } from 'tuf-js'
import type { Observer } from '../../src/package/observer.ts'
import type { KeyChange, NamedKey } from '../../src/repository/roles/key-change.ts'
import { readKeyring, type Keyring } from '../../src/repository/keys/keyring.ts'
import { makeKeyFiles, readPublicFile } from '../../src/repository/keys/public-key.ts'
import { changeRole, type Making, type RoleChanged } from '../../src/repository/roles/role-change.ts'
import { openTrust } from '../../src/sources/trust.ts'
import { findTarget } from '../../src/trust/tuf/walk.ts'
import { joinKeyrings, type World } from './tools.ts'

/** A key of somebody's own: the private half as a keyring, the public one to give away. */
export interface Person {
  keyring: Keyring
  key: NamedKey
  path: string
}

/** Makes a key in a directory of its own. */
export async function makePerson(world: World, name: string): Promise<Person> {
  const dir = path.join(world.dir, 'people', name)
  const { path: file, public: half } = await makeKeyFiles(path.join(dir, `${name}.pem`), {})
  return { keyring: await readKeyring([dir]), key: await readPublicFile(half), path: file }
}

/** Changes a role with the keys of the world and of others. */
export async function change(
  world: World,
  role: string,
  change: KeyChange,
  { with: others = [], ...more }: { with?: Keyring[]; making?: Making; observer?: Observer } = {},
): Promise<RoleChanged> {
  const own = await readKeyring([world.keys])
  return changeRole(world.repo, role, change, { keyring: joinKeyrings(own, ...others), ...more })
}

/** Rotates a role: a new key is made beside the others. */
export async function rotate(world: World, role: string, ...others: Keyring[]): Promise<RoleChanged> {
  const making: Making = { directory: world.keys, type: 'ed25519' }
  return change(world, role, { remove: true }, { with: others, making })
}

/** Serves a directory. */
export async function serve(dir: string): Promise<string> {
  const server = createServer((request, response) => {
    const file = path.join(dir, decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname))
    readFile(file).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Clients that trust the first root and remember what they have seen: ours, and one of another house. */
export interface Clients {
  /** Demands that both find a file, with its bytes, or that neither does. */
  demand(file: string, found: boolean): Promise<void>
}

/** A client of another house, tuf-js, that trusts the first root; each one made anew knows what those before it saw. */
export async function createForeign({ dir, repo }: World, url: string): Promise<() => Updater> {
  const [metadataDir, targetDir] = [path.join(dir, 'foreign'), path.join(dir, 'foreign-targets')]
  await mkdir(metadataDir)
  await mkdir(targetDir)
  await copyFile(path.join(repo, 'metadata/1.root.json'), path.join(metadataDir, 'root.json'))
  const [metadataBaseUrl, targetBaseUrl] = [`${url}/metadata`, `${url}/targets`]
  const config = { fetchRetry: 0 }
  return () => new Updater({ metadataDir, targetDir, metadataBaseUrl, targetBaseUrl, config })
}

/** Downloads a file with such a client; gives its text, or nothing where nobody vouches for it. */
export async function downloadForeign(client: Updater, file: string): Promise<string | undefined> {
  await client.refresh()
  const info = await client.getTargetInfo(file)
  return info && readFile(await client.downloadTarget(info), 'utf8')
}

/** Makes the clients of a repository. */
export async function makeClients(world: World): Promise<Clients> {
  const url = await serve(world.repo)
  const foreign = await createForeign(world, url)
  const pin = path.join(world.dir, 'pinned.json')
  await copyFile(path.join(world.repo, 'metadata/1.root.json'), pin)
  const askForeign = async (file: string): Promise<boolean> =>
    (await downloadForeign(foreign(), file))?.includes(file) === true
  const askOurs = async (file: string): Promise<boolean> => {
    const trust = await openTrust({ root: pin, home: path.join(world.dir, 'state'), cwd: world.dir, env: {} })
    try {
      return await trust.withMirrors(
        [url],
        async ({ trusted }) => (await findTarget(trusted, file)) !== undefined,
      )
    } finally {
      trust.close()
    }
  }
  return {
    demand: async (file, found) => {
      expect({ file, ours: await askOurs(file) }).toEqual({ file, ours: found })
      expect({ file, foreign: await askForeign(file) }).toEqual({ file, foreign: found })
    },
  }
}
