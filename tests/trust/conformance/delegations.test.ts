import { describe } from 'vitest'
import { firstRequests, it, rootOf, shareDirectory } from './fixture.ts'
import type { Repository } from './simulator.ts'

shareDirectory()

/** Who delegates to whom, and what. */
interface Edge {
  from: string
  to: string
  terminating?: boolean
  paths?: string[]
}

/** "A>B" is an edge; "A!B" one that ends the search, "A>B *.py" one for some paths. */
function edge(text: string): Edge {
  const [, from = '', sign = '', to = '', path] = /^(\w+)([>!])(\w+)(?: (.*))?$/.exec(text) ?? []
  return { from, to, terminating: sign === '!', ...(path !== undefined && { paths: path.split(',') }) }
}

/** Delegates as the edges say, and publishes all roles in their first version, targets in its second. */
function build(repository: Repository, edges: readonly string[], artifacts: readonly Artifact[] = []): void {
  const roles = new Set<string>(['targets'])
  for (const { from, to, ...more } of edges.map(edge)) {
    repository.delegate(from, { name: to, ...more })
    roles.add(from).add(to)
  }
  for (const [role, path, content] of artifacts) repository.addArtifact(role, path, content)
  repository.publish(...roles, 'snapshot', 'timestamp')
}

type Artifact = readonly [role: string, path: string, content: string]

const top = ['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json']
const asFirst = (roles: readonly string[]): string[] => roles.map((role) => `1.${role}.json`)
const versions = (roles: readonly string[]): Record<string, number> => ({
  ...Object.fromEntries(roles.map((role) => [role, 1])),
  root: 1,
  snapshot: 2,
  targets: 2,
  timestamp: 2,
})

const graphs: [name: string, edges: string[], visited: string[]][] = [
  ['one role', ['targets>A'], ['A']],
  ['two roles', ['targets>A', 'targets>B'], ['A', 'B']],
  ['two levels', ['targets>A', 'targets>B', 'B>C'], ['A', 'B', 'C']],
  ['two levels, depth first', ['targets>A', 'targets>B', 'A>C', 'A>D'], ['A', 'C', 'D', 'B']],
  ['three levels, depth first', ['targets>A', 'targets>B', 'A>C', 'C>D'], ['A', 'C', 'D', 'B']],
  ['two levels, as far as a role ends the search', ['targets>A', 'targets>B', 'A!C', 'A>D'], ['A', 'C']],
  [
    'three levels, below a role that ends the search',
    ['targets>A', 'targets>B', 'A!C', 'C>D'],
    ['A', 'C', 'D'],
  ],
  ['two levels, where the paths fit', ['targets>A *.py', 'targets>B', 'A>C'], ['B']],
  ['three levels, where the paths fit', ['targets>A', 'targets>B', 'A>C *.py', 'C>D'], ['A', 'B']],
  ['a circle, once', ['targets>A', 'targets>B', 'B>C', 'C>D', 'D>B'], ['A', 'B', 'C', 'D']],
  ['a role that two delegate to, once', ['targets>A', 'targets>B', 'B>C', 'A>C'], ['A', 'C', 'B']],
  [
    'a role that two delegate to, by the one whose paths fit',
    ['targets>A', 'targets>B', 'B>C', 'A>C *.py'],
    ['A', 'B', 'C'],
  ],
]

describe('the search for a target visits', () => {
  it.concurrent.for(graphs)('%s', async ([, edges, visited], { client, repository, expect }) => {
    await client.init(rootOf(repository))
    build(repository, edges)
    expect(await client.download('missingpath')).toBe(1)
    expect(repository.metadataRequests).toEqual([...top, ...asFirst(visited)])
    expect(repository.targetRequests).toEqual([])
    expect(await client.trusted()).toEqual(versions(visited))
  })
})

const tree = ['targets>A *.doc,*.md', 'targets>B releases/*/*', 'B>C releases/x/*', 'B>D releases/y/*.zip']
const inTree: Artifact[] = [
  ['targets', 'targetfile', 'targetfile content'],
  ['A', 'README.md', 'README by A'],
  ['C', 'releases/x/x_v1', 'x release by C'],
  ['D', 'releases/y/y_v1.zip', 'y release by D'],
  ['D', 'releases/z/z_v1.zip', 'z release by D'],
]

describe('a target is found', () => {
  it.concurrent.for([
    ['at the top', 'targetfile', []],
    ['by a star', 'README.md', ['A']],
    ['by stars that do not reach over slashes', 'releases/x/x_v1', ['B', 'C']],
    ['by a star before an end', 'releases/y/y_v1.zip', ['B', 'D']],
  ] as [string, string, string[]][])('%s', async ([, path, visited], { client, repository, expect }) => {
    await client.init(rootOf(repository))
    build(repository, tree, inTree)
    expect(await client.download(path)).toBe(0)
    expect(await client.artifacts()).toEqual(
      inTree.filter(([, one]) => one === path).map(([, , text]) => text),
    )
    expect(repository.metadataRequests).toEqual([...top, ...asFirst(visited)])
    expect(await client.trusted()).toEqual(versions(visited))
  })

  it.concurrent(
    'not where somebody in the chain does not delegate it',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      build(repository, tree, inTree)
      expect(await client.download('releases/z/z_v1.zip')).toBe(1)
      expect(await client.artifacts()).toEqual([])
      expect(repository.metadataRequests).toEqual([...top, '1.B.json'])
    },
  )

  it.concurrent('by the role that is asked first', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    build(
      repository,
      ['targets>A', 'targets>B'],
      [
        ['A', 'file', 'of A'],
        ['B', 'file', 'of B'],
      ],
    )
    expect(await client.download('file')).toBe(0)
    expect(await client.artifacts()).toEqual(['of A'])
    expect(repository.metadataRequests).toEqual([...top, '1.A.json'])
  })

  it.concurrent('by the hash of its path', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.delegate('targets', { name: 'low', path_hash_prefixes: '01234567'.split('') })
    repository.delegate('targets', { name: 'high', path_hash_prefixes: '89abcdef'.split('') })
    // SHA-256 of "file" begins with 3b, of "beta" with f4.
    repository.addArtifact('low', 'file', 'low')
    repository.addArtifact('high', 'beta', 'high')
    repository.addArtifact('low', 'beta', 'not low')
    repository.publish('low', 'high', 'targets', 'snapshot', 'timestamp')
    expect(await client.download('file')).toBe(0)
    expect(await client.download('beta')).toBe(0)
    expect(await client.artifacts()).toEqual(['high', 'low'])
  })
})

describe('a role that cannot be trusted', () => {
  it.concurrent.for(['signed by nobody', 'not there'])(
    'ends the search where it is %s',
    async (fault, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      build(repository, ['targets>A', 'targets>B'], [['B', 'file', 'of B']])
      repository.signers.set('A', [])
      if (fault === 'not there') repository.files.delete('1.A.json')
      else repository.serve('A', 1, repository.sign('A'))
      expect(await client.download('file')).toBe(1)
      expect(repository.metadataRequests).toEqual([...top, '1.A.json'])
      expect(await client.artifacts()).toEqual([])
      expect(await client.trusted()).toEqual(versions([]))
    },
  )

  it.concurrent('is judged anew by everyone who delegates to it', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    build(
      repository,
      ['targets>A a/*', 'targets>B b/*', 'A>C a/*', 'B>C b/*'],
      [
        ['C', 'a/file', 'by way of A'],
        ['C', 'b/file', 'by way of B'],
      ],
    )
    // Of its two keys only the one that A names signs.
    repository.signersOf('C').pop()
    repository.targetsOf('C').version = 0
    repository.publish('C', 'snapshot', 'timestamp')
    expect(await client.download(['a/file', 'b/file'])).toBe(1)
    expect(await client.artifacts()).toEqual(['by way of A'])
    expect(await client.download('b/file')).toBe(1)
    expect(await client.artifacts()).toEqual(['by way of A'])
    expect(await client.download('a/file')).toBe(0)
  })
})

describe('the search in hash bins', () => {
  it.concurrent.for([
    [1, 'boo', 'bin-0'],
    [1, 'too', 'bin-1'],
    [2, 'foo', 'bin-0'],
    [2, 'doo', 'bin-1'],
    [2, 'too', 'bin-2'],
    [2, 'bar', 'bin-3'],
    [8, 'bar', 'bin-fc'],
  ] as const)('of %s bits finds %s in %s', async ([bits, path, bin], { client, repository, expect }) => {
    const bins = repository.delegateToBins(bits, 'bin')
    repository.addArtifact(bin, path, `in ${bin}`)
    repository.publish(...bins, 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toEqual(versions([]))
    repository.metadataRequests.length = 0
    expect(await client.download(path)).toBe(0)
    expect(repository.metadataRequests).toEqual([firstRequests[0], 'timestamp.json', `1.${bin}.json`])
    expect(await client.artifacts()).toEqual([`in ${bin}`])
    expect(await client.trusted()).toEqual(versions([bin]))
  })
})
