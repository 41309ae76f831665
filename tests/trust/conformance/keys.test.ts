import { describe } from 'vitest'
import { it, rootOf, shareDirectory } from './fixture.ts'
import { makeSigner, renamed, schemes } from './keys.ts'

shareDirectory()

describe('a threshold', () => {
  it.concurrent('is not reached by a signature too few', async ({ client, repository, expect }) => {
    repository.root.roles.snapshot.threshold = 3
    for (let i = 0; i < 2; i++) repository.addKey('snapshot')
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    await client.init(rootOf(repository))
    expect(await client.refresh()).toBe(0)
    repository.signersOf('snapshot').pop()
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 2, snapshot: 2, targets: 2, timestamp: 3 })
  })

  it.concurrent('is not reached where there are too few keys', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    for (let i = 0; i < 4; i++) repository.addKey('snapshot')
    repository.root.roles.snapshot.threshold = 6
    repository.publish('root', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    const { root, snapshot } = await client.trusted()
    expect({ root, snapshot }).toEqual({ root: 2, snapshot: undefined })
  })

  it.concurrent(
    'is not reached by one key that is named many times',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      const signer = repository.addKey('snapshot')
      for (let i = 0; i < 8; i++) repository.root.roles.snapshot.keyids.push(signer.id)
      repository.root.roles.snapshot.threshold = 6
      repository.publish('root', 'snapshot', 'timestamp')
      repository.tamper('snapshot', ({ signatures }) => {
        const one = signatures.find(({ keyid }) => keyid === signer.id)
        for (let i = 0; one && i < 8; i++) signatures.push(one)
      })
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).not.toHaveProperty('snapshot')
    },
  )

  it.concurrent('is not reached by one key under two ids', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    const [signer] = repository.signersOf('snapshot')
    if (signer) repository.addKey('snapshot', renamed(signer, { comment: 'the same' }))
    repository.root.roles.snapshot.threshold = 2
    repository.publish('root', 'snapshot', 'timestamp')
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).not.toHaveProperty('snapshot')
  })
})

describe('signatures', () => {
  it.concurrent('of one key may stand there only once', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.tamper('snapshot', ({ signatures }) => {
      signatures.push(...signatures.slice(0, 1))
    })
    expect(await client.refresh()).toBe(1)
    expect(await client.trusted()).toEqual({ root: 1, timestamp: 1 })
  })

  it.concurrent('that are wrong do not harm those that are right', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    const [old] = (JSON.parse(repository.bytesOf('timestamp').toString()) as { signatures: Sig[] }).signatures
    repository.addKey('timestamp')
    const replace = (sig: string): void => {
      repository.tamper('timestamp', ({ signatures }) => {
        for (const one of signatures) if (one.keyid === old?.keyid) one.sig = sig
      })
    }
    repository.publish('root', 'timestamp')
    replace(old?.sig ?? '')
    expect(await client.refresh()).toBe(0)
    for (const [sig, timestamp] of [
      ['', 3],
      ['no hexadecimal', 4],
    ] as const) {
      repository.publish('timestamp')
      replace(sig)
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toEqual({ root: 2, snapshot: 1, targets: 1, timestamp })
    }
  })

  it.concurrent('of keys that nobody knows are passed over', async ({ client, repository, expect }) => {
    await client.init(rootOf(repository))
    repository.signersOf('timestamp').unshift(makeSigner(), makeSigner('ed25519'))
    repository.publish('timestamp')
    expect(await client.refresh()).toBe(0)
    expect(await client.trusted()).toMatchObject({ timestamp: 2 })
  })
})

interface Sig {
  keyid: string
  sig: string
}

describe('a key of the scheme', () => {
  it.concurrent.for(schemes)(
    '%s counts, and only with a signature of its own',
    async (scheme, { client, repository, expect }) => {
      await client.init(rootOf(repository))
      const signer = repository.addKey('root', makeSigner(scheme))
      repository.root.roles.root.threshold += 1
      repository.publish('root')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toMatchObject({ root: 2 })
      repository.publish('root')
      const wrong = signer.sign(Buffer.from('something else'))
      repository.tamper('root', ({ signatures }) => {
        for (const one of signatures) if (one.keyid === signer.id) one.sig = wrong
      })
      expect(await client.refresh()).toBe(1)
      expect(await client.trusted()).toMatchObject({ root: 2 })
    },
  )

  it.concurrent(
    'of the future does not harm those that are known',
    async ({ client, repository, expect }) => {
      await client.init(rootOf(repository))
      const key = { keytype: 'lattice', scheme: 'lattice-2048', keyval: { public: 'abcd' } }
      repository.addKey('timestamp', { id: 'f'.repeat(64), key, sign: () => 'abcd' })
      repository.publish('root', 'timestamp')
      expect(await client.refresh()).toBe(0)
      expect(await client.trusted()).toMatchObject({ root: 2, timestamp: 2 })
    },
  )
})
