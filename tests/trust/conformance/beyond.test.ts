import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { topRoles } from './metadata.ts'

shareDirectory()

// What the specification (1.0.34) says and the public suite has no case for; sections in brackets.

const first = { root: 1, snapshot: 1, targets: 1, timestamp: 1 }

describe('a snapshot is refused', () => {
  it.concurrent('that no longer names a role [5.5.5]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.delegate('targets', { name: 'A' })
    repository.publish('A', 'targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    Reflect.deleteProperty(repository.snapshot.meta, 'A.json')
    repository.publish('snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 2, timestamp: 3 })
  })

  it.concurrent('that sets a delegated role back [5.5.5]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.delegate('targets', { name: 'A' })
    repository.publish('A', 'A', 'targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    repository.targetsOf('A').version = 0
    repository.publish('A', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 2, timestamp: 3 })
  })

  it.concurrent.for(['hash', 'length'])(
    'that has another %s than is said of it [5.5.2]',
    async (fact, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      repository.hashed = true
      repository.publish('snapshot')
      const meta = repository.timestamp.meta['snapshot.json']
      if (fact === 'hash' && meta) meta.hashes = { sha256: '0'.repeat(64) }
      if (fact === 'length' && meta) Object.assign(meta, { length: (meta.length ?? 0) - 1 })
      repository.publish('timestamp')
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toEqual({ ...first, timestamp: 2 })
    },
  )
})

describe('a root', () => {
  it.concurrent('is not looked for behind a gap [5.3.3]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.publish('root', 'root')
    repository.files.delete('2.root.json')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual(first)
    expect(repository.metadataRequests.slice(0, 2)).toEqual(['2.root.json', 'timestamp.json'])
  })

  it.concurrent('that asks for no signature is refused [4.3]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.root.roles.timestamp = { keyids: [], threshold: 0 }
    repository.signers.set('timestamp', [])
    repository.publish('root', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1 })
  })
})

describe('what replaced keys have signed', () => {
  it.concurrent('is deleted, whatever comes next [5.3.11]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    for (const role of ['snapshot', 'timestamp'] as const) repository.rotateKeys(role)
    repository.publish('root')
    repository.files.delete('timestamp.json')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 2, targets: 1 })
  })
})

describe('versions do not come down', () => {
  it.concurrent('by a new key beside the old one [5.3.11]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    for (const role of ['snapshot', 'timestamp']) repository.addKey(role)
    repository.snapshot.version = 0
    repository.timestamp.version = 0
    repository.publish('root', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 2, snapshot: 2, targets: 2, timestamp: 2 })
  })
})

describe('a file is refused', () => {
  it.concurrent.for(topRoles)('that is no JSON: %s', async (role, { client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    const bytes = repository.bytesOf(role)
    repository.serve(role, 2, bytes.subarray(0, bytes.length / 2))
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toMatchObject({ [role]: 1 })
  })

  it.concurrent.for(topRoles)(
    'of another specification: %s [4.3]',
    async (role, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      repository[role].spec_version = '2.0.0'
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toMatchObject({ [role]: 1 })
    },
  )

  it.concurrent.for(topRoles)(
    'that never ends: %s [5.3.3, 5.4.1, 5.5.1, 5.6.1]',
    async (role, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      repository.serve(role, 2, Buffer.concat([repository.bytesOf(role), Buffer.alloc(20_000_000, ' ')]))
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toMatchObject({ [role]: 1 })
    },
  )
})

describe('a delegated role', () => {
  it.concurrent(
    'is signed with keys that its delegator names [5.6.3]',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      const delegation = repository.delegate('targets', { name: 'A' })
      const signers = repository.signersOf('targets')
      // The key is known from the root only.
      delegation.keyids = signers.map(({ id }) => id)
      repository.signers.set('A', signers)
      repository.addArtifact('A', 'file', 'of A')
      repository.publish('A', 'targets', 'snapshot', 'timestamp')
      expect(await client.download('file')).toBe(1)
      expect(await client.artifacts()).toEqual([])
    },
  )

  it.concurrent('is held to its hash in the snapshot [5.6.2]', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.hashed = true
    repository.delegate('targets', { name: 'A' })
    repository.addArtifact('A', 'file', 'of A')
    repository.publish('A', 'targets')
    const meta = repository.snapshot.meta['A.json']
    if (meta) meta.hashes = { sha256: '0'.repeat(64) }
    repository.publish('snapshot', 'timestamp')
    expect(await client.download('file')).toBe(1)
    expect(await client.artifacts()).toEqual([])
    expect(await client.trusted()).not.toHaveProperty('A')
  })
})

describe('a trusted file that is damaged', () => {
  it.concurrent.for(['timestamp', 'snapshot', 'targets'])(
    'is asked for anew: %s',
    async (role, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      await writeFile(join(client.metadata, `${role}.json`), '{"signed":')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual(first)
    },
  )

  it.concurrent('opens no way back', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    const old = repository.bytesOf('timestamp')
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    for (const role of ['timestamp', 'snapshot', 'targets']) await rm(join(client.metadata, `${role}.json`))
    repository.serve('timestamp', 1, old)
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1 })
  })
})
