import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'

shareDirectory()

const times = (count: number, work: () => void): void => {
  for (let i = 0; i < count; i++) work()
}

describe('what is older than what was seen is refused:', () => {
  it.concurrent('a timestamp', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.publish('timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toMatchObject({ timestamp: 2 })
    repository.timestamp.version = 0
    repository.publish('timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 1, targets: 1, timestamp: 2 })
    expect(repository.metadataRequests.at(-1)).toBe('timestamp.json')
  })

  it.concurrent.for([false, true])(
    'a snapshot that the timestamp lists, hashes: %s',
    async (hashed, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.hashed = hashed
      repository.publish('snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      repository.snapshot.version = 0
      repository.publish('snapshot', 'timestamp')
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 1, timestamp: 2 })
      expect(repository.metadataRequests.at(-1)).toBe('timestamp.json')
    },
  )

  it.concurrent.for([false, true])(
    'targets that the snapshot lists, hashes: %s',
    async (hashed, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      repository.hashed = hashed
      repository.publish('targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      repository.targets.version = 0
      repository.publish('targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 2, timestamp: 3 })
      expect(repository.metadataRequests.at(-1)).toBe('3.snapshot.json')
    },
  )
})

describe('a snapshot that no timestamp lists', () => {
  it.concurrent('is not asked for', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.publish('snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    repository.publish('snapshot')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 1, timestamp: 2 })
    expect(repository.metadataRequests.at(-1)).toBe('timestamp.json')
  })

  it.concurrent('is not asked for, though the timestamp is new', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.publish('snapshot')
    repository.timestamp.meta['snapshot.json'] = { version: 1 }
    repository.publish('root', 'timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 2, snapshot: 1, targets: 1, timestamp: 2 })
  })
})

describe('versions that an attacker ran up come down again with new keys:', () => {
  it.concurrent('of targets, with a new key for the snapshot', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    times(99, () => {
      repository.publish('targets')
    })
    repository.publish('snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 1, snapshot: 2, targets: 100, timestamp: 2 })
    repository.rotateKeys('snapshot')
    repository.targets.version = 1
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 2, snapshot: 3, targets: 2, timestamp: 3 })
  })

  it.concurrent(
    'of the snapshot, with new keys for it and the timestamp',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      times(99, () => {
        repository.publish('snapshot')
      })
      repository.publish('timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual({ root: 1, snapshot: 100, targets: 1, timestamp: 2 })
      repository.rotateKeys('snapshot')
      repository.rotateKeys('timestamp')
      repository.snapshot.version = 0
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual({ root: 2, snapshot: 1, targets: 2, timestamp: 3 })
    },
  )

  it.concurrent('of the timestamp, with a new key for it', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    times(99, () => {
      repository.publish('timestamp')
    })
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toMatchObject({ timestamp: 100 })
    repository.rotateKeys('timestamp')
    repository.timestamp.version = 0
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual({ root: 2, snapshot: 2, targets: 2, timestamp: 1 })
  })
})
