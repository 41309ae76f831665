import { describe } from 'vitest'
import { firstRequests, it, rootOf, shareDirectory } from './fixture.ts'
import { makeSigner } from './keys.ts'
import type { Envelope } from './metadata.ts'

shareDirectory()

const lastOf = (requests: readonly string[]): string | undefined => requests.at(-1)

describe('a first refresh', () => {
  it.concurrent('asks for each role once, and for the next root', async ({ client, repository, expect }) => {
    expect(await client.init(rootOf(repository))).toBe(0)
    expect(repository.metadataRequests).toEqual([])
    expect(await client.refresh()).toBe(0)
    expect(repository.metadataRequests).toEqual(firstRequests)
  })

  it.concurrent('trusts what is served, byte for byte', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 1 })
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'])
      expect(await client.bytesOf(`${role}.json`)).toEqual(repository.bytesOf(role))
  })

  it.concurrent('comes before a download', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.download('not there')).toBe(1)
    expect(repository.metadataRequests).toEqual(firstRequests)
    expect(repository.targetRequests).toEqual([])
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 1 })
    expect(await client.artifacts()).toEqual([])
  })

  it.concurrent('keeps a file as it was written, spaces and all', async ({ client, repository, expect }) => {
    const bytes = Buffer.concat([repository.bytesOf('timestamp'), Buffer.from(' ')])
    repository.files.set('timestamp.json', bytes)
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.bytesOf('timestamp.json')).toEqual(bytes)
  })
})

describe('a second refresh', () => {
  it.concurrent(
    'asks for no more than the next root and the timestamp',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      await client.refresh()
      expect(await client.refresh()).toBe(0)
      expect(repository.metadataRequests.slice(4)).toEqual(['2.root.json', 'timestamp.json'])
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 1 })
    },
  )
})

describe('an initial root', () => {
  const spoil = (bytes: Buffer, change: (envelope: Envelope) => void): Buffer => {
    const envelope = JSON.parse(bytes.toString()) as Envelope
    change(envelope)
    return Buffer.from(JSON.stringify(envelope))
  }

  it.concurrent('without a version is not begun with', async ({ client, repository, expect }) => {
    const root = spoil(rootOf(repository), ({ signed }) => {
      Reflect.deleteProperty(signed, 'version')
    })
    await client.init(root)
    expect(await client.refresh()).toBe(1)
    expect(repository.metadataRequests).toEqual([])
  })

  it.concurrent('with a wrong signature is not begun with', async ({ client, repository, expect }) => {
    const other = makeSigner().sign(Buffer.from('something else'))
    const root = spoil(rootOf(repository), ({ signatures }) => {
      for (const signature of signatures) signature.sig = other
    })
    await client.init(root)
    expect(await client.refresh()).toBe(1)
    expect(repository.metadataRequests).toEqual([])
  })
})

describe('a role that lacks its signature is refused, and those before it stay trusted:', () => {
  it.concurrent.for([
    ['root', { root: 1 }],
    ['timestamp', { root: 2 }],
    ['snapshot', { root: 2, timestamp: 2 }],
    ['targets', { root: 2, snapshot: 2, timestamp: 2 }],
  ] as const)('%s', async ([role, trusted], { client, repository, expect }) => {
    repository.signers.set(role, [])
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual(trusted)
  })
})

describe('a role of another version than its name says is refused:', () => {
  it.concurrent.for([
    ['root', { root: 1 }],
    ['snapshot', { root: 2, timestamp: 2 }],
    ['targets', { root: 2, snapshot: 2, timestamp: 2 }],
  ] as const)('%s', async ([role, trusted], { client, repository, expect }) => {
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    repository.draft(role).version = 3
    repository.serve(role, 2, repository.sign(role))
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual(trusted)
    expect(lastOf(repository.metadataRequests)).toBe(`2.${role}.json`)
  })

  it.concurrent.for([
    ['snapshot', { root: 1, timestamp: 2 }],
    ['targets', { root: 1, snapshot: 2, timestamp: 2 }],
  ] as const)(
    '%s, where a later version is listed than is there',
    async ([role, trusted], { client, repository, expect }) => {
      repository[role].version += 1
      if (role === 'targets') repository.publish('targets', 'snapshot', 'timestamp')
      else repository.publish('snapshot', 'timestamp')
      repository.files.delete(`3.${role}.json`)
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toEqual(trusted)
    },
  )
})

describe('a timestamp', () => {
  it.concurrent('that changes within its version changes nothing', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    const before = await client.bytesOf('timestamp.json')
    repository.timestamp.meta['snapshot.json'] = { version: 100 }
    repository.timestamp.version = 0
    repository.publish('timestamp')
    expect(await client.refresh()).toBe(0)
    expect(lastOf(repository.metadataRequests)).toBe('timestamp.json')
    expect(await client.bytesOf('timestamp.json')).toEqual(before)
  })

  it.concurrent('that is not there ends the refresh', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.files.delete('timestamp.json')
    expect(await client.refresh()).toBe(1)
    expect(lastOf(repository.metadataRequests)).toBe('timestamp.json')
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 1 })
  })

  it.concurrent('must be of its type, however well it is signed', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    for (const signer of repository.signersOf('timestamp')) repository.addKey('snapshot', signer)
    repository.snapshot.meta = { 'snapshot.json': { version: 1 } }
    repository.publish('root', 'snapshot')
    repository.files.set('timestamp.json', repository.bytesOf('snapshot'))
    repository.files.delete('2.snapshot.json')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 2 })
  })
})

describe('hashes of metadata', () => {
  it.concurrent('are held', async ({ client, repository, expect }) => {
    repository.hashed = true
    repository.publish('targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.publish('targets')
    const { hashes } = repository.snapshot.meta['targets.json'] ?? {}
    if (hashes) hashes.sha256 = '46419349341cfb2d95f6ae3d4cd5c3d3dd7f4673985dad42a45130be5e0531a0'
    repository.publish('snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 3, targets: 2, timestamp: 3 })
  })
})

describe('a file of metadata that is listed and not there is refused:', () => {
  it.concurrent('snapshot', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.timestamp.meta['snapshot.json'] = { version: 2 }
    repository.publish('timestamp')
    expect(await client.refresh()).toBe(1)
    expect(lastOf(repository.metadataRequests)).toBe('2.snapshot.json')
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 2 })
  })

  it.concurrent('targets', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.snapshot.meta['targets.json'] = { version: 2 }
    repository.publish('snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(lastOf(repository.metadataRequests)).toBe('2.targets.json')
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 1, timestamp: 2 })
  })
})

describe('targets', () => {
  it.concurrent('that are in no snapshot are not asked for', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.publish('targets')
    expect(await client.refresh()).toBe(0)
    expect(lastOf(repository.metadataRequests)).toBe('timestamp.json')
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 1 })
  })
})

describe('fields that nobody knows', () => {
  it.concurrent('are signed along with the others', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.root['custom-field'] = 'value, "quoted", \\ and\nover ä line; \u{1f511}'
    repository.root.roles.root['another-field'] = 'value'
    repository.addKey('root', makeSigner('ed25519', { 'extra-field': { a: 1, b: 2 } }))
    repository.publish('root')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toMatchObject({ root: 2 })
  })

  it.concurrent(
    'may be the keyid_hash_algorithms of old, whatever they say',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.root.roles.snapshot.keyids = []
      repository.signers.set('snapshot', [])
      repository.addKey('snapshot', makeSigner('ecdsa-sha2-nistp256', { keyid_hash_algorithms: 'md5' }))
      repository.publish('root', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual({ root: 2, snapshot: 2, targets: 1, timestamp: 2 })
    },
  )
})
