import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe } from 'vitest'
import { canonical } from './canonical.ts'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { makeSigner, type Signer } from './keys.ts'
import { emptyTargets, topRoles, type Envelope } from './metadata.ts'
import type { Repository } from './simulator.ts'

shareDirectory()

const unusual = [
  '?',
  '#',
  '/delegatedrole',
  '../delegatedrole',
  '..',
  '.',
  'a b',
  '%2F',
  'ä',
  'root.json',
  '1.root',
]

describe('a role of an unusual name is asked for and kept by the name in per cents:', () => {
  it.concurrent.for(unusual)('%s', async (role, { client, repository, expect }) => {
    repository.delegate('targets', { name: role })
    repository.addArtifact(role, 'target', 'of an unusual role')
    repository.publish(role, 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    const before = await readdir(dirname(client.metadata))
    expect(await client.download('target')).toBe(0)
    const name = encodeURIComponent(role)
    expect(repository.metadataRequests.slice(4)).toEqual([`1.${name}.json`])
    expect(await client.trusted()).toEqual({ [name]: 1, root: 1, snapshot: 2, targets: 2, timestamp: 2 })
    expect(await client.bytesOf(`${name}.json`)).toEqual(repository.bytesOf(role))
    expect(await client.artifacts()).toEqual(['of an unusual role'])
    expect(await readdir(dirname(client.metadata))).toEqual(before)
  })

  it.concurrent.for(['?', '/delegatedrole', '../delegatedrole'])(
    '%s, which does not have the target',
    async (role, { client, repository, expect }) => {
      repository.delegate('targets', { name: role })
      repository.publish(role, 'targets', 'snapshot', 'timestamp')
      await client.init(rootOf(repository))
      expect(await client.download('nonexistent target')).toBe(1)
      expect(repository.metadataRequests.slice(4)).toEqual([`1.${encodeURIComponent(role)}.json`])
      expect(Object.keys(await client.trusted())).toHaveLength(5)
    },
  )
})

/** A file of a targets role that vouches for an artifact, signed. */
function forge(repository: Repository, version: number, signer: Signer): Buffer {
  repository.addArtifact('targets', 'target', 'of an impostor')
  const signed = { ...emptyTargets(), version, targets: { ...repository.targets.targets } }
  repository.targets.targets = {}
  const sig = signer.sign(Buffer.from(canonical(signed)))
  return Buffer.from(JSON.stringify({ signatures: [{ keyid: signer.id, sig }], signed }))
}

describe('a delegated role never takes the place of a top-level role:', () => {
  it.concurrent.for(topRoles)('%s', async (role, { client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    const signer = makeSigner()
    const own = { name: role, keyids: [signer.id], threshold: 1, terminating: false, paths: ['*'] }
    repository.files.set(`7.${role}.json`, forge(repository, 7, signer))
    repository.targets.delegations = { keys: { [signer.id]: signer.key }, roles: [own] }
    repository.publish('targets')
    if (role !== 'targets') repository.snapshot.meta[`${role}.json`] = { version: 7 }
    repository.publish('snapshot', 'timestamp')
    expect(await client.download('target')).toBe(1)
    expect(await client.artifacts()).toEqual([])
    for (const top of topRoles) {
      const text = (await client.bytesOf(`${top}.json`)).toString()
      expect((JSON.parse(text) as Envelope).signed._type).toBe(top)
    }
  })
})

describe('an artifact of an unusual name stays where artifacts belong:', () => {
  it.concurrent.for(['?', '#', 'a b/c d', '100%', '%2F', 'ä', '../escape', '/absolute', 'a/../../escape'])(
    '%s',
    async (path, { client, repository, expect }) => {
      repository.addArtifact('targets', path, 'content')
      repository.publish('targets', 'snapshot', 'timestamp')
      await client.init(rootOf(repository))
      const before = await readdir(dirname(client.metadata))
      const harmless = !path.includes('..') && !path.startsWith('/')
      // A path that leads elsewhere may be refused, or be kept under another name.
      const status = await client.download(path)
      if (harmless) expect(status).toBe(0)
      expect(await client.artifacts()).toEqual(status === 0 ? ['content'] : [])
      expect(await readdir(dirname(client.metadata))).toEqual(before)
    },
  )
})
