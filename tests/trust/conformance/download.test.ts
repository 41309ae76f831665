import { describe } from 'vitest'
import { firstRequests, it, rootOf, shareDirectory } from './fixture.ts'
import type { Repository } from './simulator.ts'

shareDirectory()

const path = 'target_file.txt'
const content = 'target file contents'

/** Publishes artifacts of the top-level role. */
function offer(repository: Repository, artifacts: Record<string, string>, algorithms?: string[]): void {
  for (const [name, text] of Object.entries(artifacts))
    repository.addArtifact('targets', name, text, algorithms)
  repository.publish('targets', 'snapshot', 'timestamp')
}

describe('an artifact', () => {
  it.concurrent('comes with a download, not with a refresh', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    offer(repository, { [path]: content })
    expect(await client.refresh()).toBe(0)
    expect(await client.artifacts()).toEqual([])
    expect(await client.download(path)).toBe(0)
    expect(await client.artifacts()).toEqual([content])
  })

  it.concurrent(
    'may lie in a folder, its hash before its own name',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      offer(repository, { 'path/to/a/target_file.txt': content })
      expect(await client.download('path/to/a/target_file.txt')).toBe(0)
      expect(await client.artifacts()).toEqual([content])
      expect(repository.targetRequests).toEqual([...repository.artifacts.keys()])
      expect(repository.targetRequests[0]).toMatch(/^path\/to\/a\/[0-9a-f]{64}\.target_file\.txt$/)
    },
  )

  it.concurrent('that is there is not downloaded again', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    offer(repository, { [path]: content })
    expect(await client.download(path)).toBe(0)
    expect(await client.download(path)).toBe(0)
    expect(repository.targetRequests).toHaveLength(1)
    expect(await client.artifacts()).toEqual([content])
  })

  it.concurrent(
    'of which the repository has other bytes is refused',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      const other = 'another_target_file.txt'
      offer(repository, { [path]: content, [other]: 'content' })
      expect(await client.download(path)).toBe(0)
      expect(await client.artifacts()).toEqual([content])
      for (const name of [path, other]) repository.substitute('targets', name, 'malicious data')
      // What is there is good still, and nobody asks for it.
      expect(await client.download(path)).toBe(0)
      expect(await client.artifacts()).toEqual([content])
      expect(await client.download(other)).toBe(1)
      expect(await client.artifacts()).toEqual([content])
    },
  )

  it.concurrent.for(['', 'conten', 'CONTENT', 'content and more'])(
    'is refused as "%s"',
    async (bytes, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      offer(repository, { [path]: 'content' })
      repository.substitute('targets', path, bytes)
      expect(await client.download(path)).toBe(1)
      expect(await client.artifacts()).toEqual([])
    },
  )

  it.concurrent('that is not there is refused', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    offer(repository, { [path]: content })
    repository.artifacts.clear()
    expect(await client.download(path)).toBe(1)
    expect(await client.artifacts()).toEqual([])
  })

  it.concurrent('follows its metadata through many versions', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    offer(repository, { [path]: content })
    expect(await client.download(path)).toBe(0)
    const expected = new Map([[path, content]])
    const held = (): string[] => [...expected.values()].sort()
    for (let i = 0; i < 11; i++) {
      const [modified, added] = [`modified file contents ${i}`, `new file contents ${i}`]
      offer(repository, { [path]: modified, [`new-target-${i}`]: added })
      // The client sees one version in five.
      if (i % 5 !== 0) continue
      expect(await client.download(path)).toBe(0)
      expected.set(path, modified)
      expect(await client.artifacts()).toEqual(held())
      expect(await client.download(`new-target-${i}`)).toBe(0)
      expected.set(`new-target-${i}`, added)
      expect(await client.artifacts()).toEqual(held())
      repository.substitute('targets', path, `malicious contents ${i}`)
      offer(repository, {})
      expect(await client.download(path)).toBe(0)
      expect(await client.artifacts()).toEqual(held())
    }
  })
})

describe('a hash', () => {
  it.concurrent.for([[['sha256']], [['sha512']], [['sha256', 'sha512']]])(
    'of %s is held',
    async ([algorithms], { client, repository, expect }) => {
      offer(repository, { [path]: content }, algorithms)
      await client.init(rootOf(repository))
      expect(await client.download(path)).toBe(0)
      expect(await client.artifacts()).toEqual([content])
      expect(repository.targetRequests).toHaveLength(1)
      expect([...repository.artifacts.keys()]).toContain(repository.targetRequests[0])
    },
  )

  it.concurrent('of a kind that nobody knows proves nothing', async ({ client, repository, expect }) => {
    repository.addArtifact('targets', path, content, ['sha512'])
    const target = repository.targets.targets[path]
    if (target) target.hashes = { 'unknown-hash': target.hashes.sha512 ?? '' }
    repository.publish('targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.download(path)).toBe(1)
    expect(await client.artifacts()).toEqual([])
  })

  it.concurrent.for(['sha256', 'sha512'])(
    'that is wrong counts beside one that is right: %s',
    async (wrong, { client, repository, expect }) => {
      repository.addArtifact('targets', path, content, ['sha256', 'sha512'])
      const hashes = repository.targets.targets[path]?.hashes ?? {}
      const spoilt = (hashes[wrong] ?? '').replace(/^./, (digit) => (digit === '0' ? '1' : '0'))
      repository.artifacts.set(`${spoilt}.${path}`, Buffer.from(content))
      hashes[wrong] = spoilt
      repository.publish('targets', 'snapshot', 'timestamp')
      await client.init(rootOf(repository))
      expect(await client.download(path)).toBe(1)
      expect(await client.artifacts()).toEqual([])
    },
  )
})

describe('several names', () => {
  it.concurrent('share one refresh', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.addArtifact('targets', 'one', 'first')
    repository.addArtifact('targets', 'two', 'second')
    repository.targets.version = 0
    repository.snapshot.version = 0
    repository.timestamp.version = 0
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await client.download(['one', 'two'])).toBe(0)
    expect(repository.metadataRequests).toEqual(firstRequests)
    expect(repository.targetRequests.map((name) => name.replace(/^\w+\./, ''))).toEqual(['one', 'two'])
    expect(await client.artifacts()).toEqual(['first', 'second'])
  })

  it.concurrent('end at the first that is refused', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    offer(repository, { one: 'first', three: 'third' })
    expect(await client.download(['one', 'two', 'three'])).toBe(1)
    expect(repository.targetRequests).toHaveLength(1)
    expect(await client.artifacts()).toEqual(['first'])
  })

  it.concurrent('ask for a delegated role once', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.delegate('targets', { name: 'A' })
    repository.addArtifact('A', 'one', 'first')
    repository.addArtifact('A', 'two', 'second')
    repository.publish('A', 'targets', 'snapshot', 'timestamp')
    expect(await client.download(['one', 'two'])).toBe(0)
    expect(repository.metadataRequests.filter((name) => name === '1.A.json')).toHaveLength(1)
    expect(await client.artifacts()).toEqual(['first', 'second'])
  })
})

describe('a repository without consistent snapshots', () => {
  it.concurrent('is asked for names without versions and hashes', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.root.consistent_snapshot = false
    repository.delegate('targets', { name: 'A', paths: ['dir/*'] })
    repository.addArtifact('A', 'dir/file', 'of A')
    repository.publish('root', 'A', 'targets', 'snapshot', 'timestamp')
    repository.metadataRequests.length = 0
    expect(await client.download('dir/file')).toBe(0)
    const plain = ['timestamp.json', 'snapshot.json', 'targets.json', 'A.json']
    expect(repository.metadataRequests).toEqual(['2.root.json', '3.root.json', ...plain])
    expect(repository.targetRequests).toEqual(['dir/file'])
    expect(await client.artifacts()).toEqual(['of A'])
    expect(await client.trusted()).toEqual({ A: 1, root: 2, snapshot: 2, targets: 2, timestamp: 2 })
  })
})
