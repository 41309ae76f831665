import { readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { topRoles } from './metadata.ts'

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

describe('a delegated role never takes the place of a top-level role:', () => {
  it.concurrent.for(topRoles)('%s', async (role, { client, repository, expect }) => {
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    const { delegations } = ((): typeof repository.targets => {
      const draft = repository.targets
      draft.delegations = { keys: {}, roles: [] }
      return draft
    })()
    const [signer] = repository.signersOf('targets')
    if (!delegations || !signer) throw new Error('no delegation')
    delegations.keys[signer.id] = signer.key
    const own = { name: role, keyids: [signer.id], threshold: 1, terminating: false, paths: ['*'] }
    delegations.roles?.push(own)
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await client.download('target')).toBe(1)
    for (const top of topRoles) {
      const { signed } = JSON.parse((await client.bytesOf(`${top}.json`)).toString()) as {
        signed: { _type: string }
      }
      expect(signed._type).toBe(top)
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
