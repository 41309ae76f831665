import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { inDays } from './metadata.ts'

shareDirectory()

const first = { root: 1, snapshot: 1, targets: 1, timestamp: 1 }

describe('a client that is told another day', () => {
  it.concurrent('believes it', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.root.expires = inDays(7)
    repository.publish('root')
    expect(await client.refresh()).toBe(0)
    expect(await client.refresh({ day: 8 })).toBe(1)
  })
})

describe('what is served and has expired', () => {
  it.concurrent(
    'is a root: it is kept, and nothing else is updated',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      repository.publish('root')
      expect(await client.refresh()).toBe(0)
      repository.root.expires = inDays(-1)
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toEqual({ ...first, root: 3 })
    },
  )

  it.concurrent.for([
    ['timestamp', ['timestamp'], first],
    ['snapshot', ['snapshot', 'timestamp'], { ...first, timestamp: 2 }],
    ['targets', ['targets', 'snapshot', 'timestamp'], { ...first, snapshot: 2, timestamp: 2 }],
  ] as const)('is its %s: refused', async ([role, published, trusted], { client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository[role].expires = inDays(-5)
    repository.publish(...published)
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual(trusted)
  })

  it.concurrent(
    'is a draft that no snapshot lists: it does not matter',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      expect(await client.refresh()).toBe(0)
      repository.targets.expires = inDays(-5)
      repository.publish('snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual({ ...first, snapshot: 2, timestamp: 2 })
    },
  )
})

describe('what a client has and has expired', () => {
  it.concurrent('is a root: the next one is found from it', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.root.expires = inDays(7)
    repository.publish('root')
    expect(await client.refresh()).toBe(0)
    repository.root.expires = inDays(21)
    repository.publish('root')
    expect(await client.refresh({ day: 18 })).toBe(0)
    expect(await client.trusted()).toEqual({ ...first, root: 3 })
  })

  it.concurrent.for(['timestamp', 'snapshot', 'targets'] as const)(
    'is its %s: the next one replaces it',
    async (role, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository[role].expires = inDays(7)
      repository.publish('targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      repository[role].expires = inDays(21)
      repository.publish('targets', 'snapshot', 'timestamp')
      expect(await client.refresh({ day: 18 })).toBe(0)
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 3, targets: 3, timestamp: 3 })
    },
  )

  it.concurrent.for(['root', 'timestamp', 'snapshot', 'targets'] as const)(
    'is its %s, and there is no other: it is not used',
    async (role, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository[role].expires = inDays(7)
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.refresh({ day: 8 })).toBe(1)
      expect(await client.trusted()).toEqual({ root: 2, snapshot: 2, targets: 2, timestamp: 2 })
    },
  )
})

describe('a delegated role', () => {
  const paths = ['delegatedpath/*']

  it.concurrent(
    'that has expired when it is first seen vouches for nothing',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.delegate('targets', { name: 'delegated', paths }, inDays(-1))
      repository.addArtifact('delegated', 'delegatedpath/target', 'delegated content')
      repository.publish('delegated', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.download('delegatedpath/target')).toBe(1)
      expect(await client.artifacts()).toEqual([])
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 2, timestamp: 2 })
      expect(repository.targetRequests).toEqual([])
    },
  )

  it.concurrent(
    'that has expired since then vouches for nothing more',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.delegate('targets', { name: 'delegated', paths }, inDays(7))
      repository.addArtifact('delegated', 'delegatedpath/first', 'first')
      repository.addArtifact('delegated', 'delegatedpath/second', 'second')
      repository.publish('delegated', 'targets', 'snapshot', 'timestamp')
      expect(await client.download('delegatedpath/first')).toBe(0)
      expect(await client.artifacts()).toEqual(['first'])
      expect(await client.download('delegatedpath/second', { day: 18 })).toBe(1)
      expect(await client.artifacts()).toEqual(['first'])
    },
  )

  it.concurrent(
    'that has expired is replaced by the next version',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.delegate('targets', { name: 'delegated', paths }, inDays(7))
      repository.addArtifact('delegated', 'delegatedpath/first', 'first')
      repository.addArtifact('delegated', 'delegatedpath/second', 'second')
      repository.publish('delegated', 'targets', 'snapshot', 'timestamp')
      expect(await client.download('delegatedpath/first')).toBe(0)
      repository.targetsOf('delegated').expires = inDays(21)
      repository.publish('delegated', 'snapshot', 'timestamp')
      expect(await client.download('delegatedpath/second', { day: 18 })).toBe(0)
      expect(await client.artifacts()).toEqual(['first', 'second'])
      expect(await client.trusted()).toEqual({ delegated: 2, root: 1, snapshot: 3, targets: 2, timestamp: 3 })
    },
  )
})
