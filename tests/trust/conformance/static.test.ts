import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { makeSigner, renamed, type Signer } from './keys.ts'
import type { Root } from './metadata.ts'
import type { Repository } from './simulator.ts'

shareDirectory()

// What other tools write is read, though they take liberties.

/** Adds fields to a key after its id was made, as tuf-on-ci does. */
const annotated = (signer: Signer, more: Record<string, unknown>): Signer => ({
  ...renamed(signer, more),
  id: signer.id,
})

/** Replaces the keys of all top-level roles, and serves the result as the first version of everything. */
function refound(repository: Repository, offline: Signer, online: Signer): void {
  repository.root.keys = {}
  for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const) {
    Object.assign(repository.root.roles[role], { keyids: [], threshold: 1 })
    repository.signers.set(role, [])
    repository.addKey(role, role === 'root' || role === 'targets' ? offline : online)
    repository[role].version = 0
  }
}

describe('a repository is read that was made by', () => {
  it.concurrent('tuf-on-ci', async ({ client, repository, expect }) => {
    const owner = { 'x-tuf-on-ci-keyowner': '@somebody' }
    const offline = annotated(makeSigner(), owner)
    refound(repository, offline, annotated(makeSigner(), { 'x-tuf-on-ci-online-uri': 'kms:somewhere' }))
    const periods = { 'x-tuf-on-ci-expiry-period': 7300, 'x-tuf-on-ci-signing-period': 60 }
    Object.assign(repository.root, periods)
    Object.assign(repository.root.roles.timestamp, periods)
    repository.publish('root')
    const paths = ['delegatedrole/*', 'delegatedrole/*/*']
    const delegation = repository.delegate('targets', { name: 'delegatedrole', paths, terminating: true })
    delegation.keyids.unshift(offline.id)
    Object.assign(repository.targets.delegations?.keys ?? {}, { [offline.id]: offline.key })
    repository.addArtifact('delegatedrole', 'delegatedrole/artifact', 'made elsewhere\n')
    // One of two has not signed yet: there is a place for that signature, and nothing in it.
    const silent = repository.signersOf('delegatedrole').map((one) => ({ ...one, sign: () => '' }))
    repository.signers.set('delegatedrole', [offline, ...silent])
    repository.publish('delegatedrole', 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.download('delegatedrole/artifact')).toBe(0)
    expect(await client.artifacts()).toEqual(['made elsewhere\n'])
  })

  it.concurrent('Sigstore in its first years', async ({ client, repository, expect }) => {
    const old = { keyid_hash_algorithms: ['sha256', 'sha512'] }
    const offline = makeSigner('ecdsa-sha2-nistp256', { ...old, keytype: 'ecdsa-sha2-nistp256' })
    refound(
      repository,
      offline,
      makeSigner('ecdsa-sha2-nistp256', { ...old, keytype: 'ecdsa-sha2-nistp256' }),
    )
    for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const)
      repository[role].spec_version = '1.0'
    repository.hashed = true
    const custom = { sigstore: { status: 'Active', usage: 'Rekor' } }
    repository.addArtifact('targets', 'rekor.pub', 'a public key\n', ['sha512', 'sha256'])
    Object.assign(repository.targets.targets['rekor.pub'] ?? {}, { custom })
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.download('rekor.pub')).toBe(0)
    expect(await client.artifacts()).toEqual(['a public key\n'])
  })

  it.concurrent('an older python-tuf, on RSA keys', async ({ client, repository, expect }) => {
    const old = { keyid_hash_algorithms: ['sha256', 'sha512'] }
    refound(repository, makeSigner('rsassa-pss-sha256', old), makeSigner('rsassa-pss-sha256', old))
    Object.assign(repository.targets, { delegations: { keys: {}, roles: [] } })
    for (const role of ['root', 'targets', 'snapshot', 'timestamp'] as const)
      repository[role].spec_version = '1.0.0'
    repository.addArtifact('targets', 'file1.txt', 'This is an example target file.')
    Object.assign(repository.targets.targets['file1.txt'] ?? {}, { custom: { file_permissions: '0644' } })
    repository.publish('root', 'targets', 'snapshot')
    repository.hashed = true
    repository.publish('snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.download('file1.txt')).toBe(0)
    expect(await client.artifacts()).toEqual(['This is an example target file.'])
  })

  it.concurrent('go-tuf, whose roots came a long way', async ({ client, repository, expect }) => {
    const online = makeSigner('ed25519')
    refound(repository, makeSigner('ed25519'), online)
    repository.publish('root')
    const first: Root = structuredClone(repository.root)
    for (let i = 0; i < 12; i++) {
      const before = repository.signersOf('root')
      repository.root.roles.root.keyids = []
      repository.signers.set('root', [])
      repository.addKey('root', makeSigner('ed25519'))
      repository.signersOf('root').push(...before)
      repository.publish('root')
      repository.signers.set('root', repository.signersOf('root').slice(0, 1))
    }
    repository.addArtifact('targets', 'file', 'content')
    repository.publish('targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    expect(await client.download('file')).toBe(0)
    expect(await client.trusted()).toEqual({
      root: first.version + 12,
      snapshot: 1,
      targets: 1,
      timestamp: 1,
    })
  })
})
