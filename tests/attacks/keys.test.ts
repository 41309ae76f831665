import { createPublicKey, ECDH } from 'node:crypto'
import { describe, expect } from 'vitest'
import { makeSigner, renamed, type Signer } from '../trust/conformance/keys.ts'
import type { Repository } from '../trust/conformance/simulator.ts'
import { copyOf, expectListed, expectRecovery, expectRefused, it, lieAbout, publish } from './hostile.ts'
import type { Machine, Mirror } from './hostile.ts'

const app = 'app-1.0.0-any-any'
const evil = 'evil-1.0.0-any-any'

/** Has two of three keys needed for the targets. */
function needTwoOfThree(repository: Repository): Signer[] {
  repository.root.roles.targets.threshold = 2
  repository.addKey('targets')
  repository.addKey('targets')
  repository.publish('root', 'targets', 'snapshot', 'timestamp')
  return [...repository.signersOf('targets')]
}

describe('a compromise below the threshold', () => {
  it('gives no say over the targets, whatever else was stolen', async ({ repository, mirror, machine }) => {
    const signers = needTwoOfThree(repository)
    expectListed(await machine.list(mirror.url), [app])
    // The thief has one of three keys, and both online keys.
    repository.signers.set('targets', signers.slice(0, 1))
    publish(repository, [evil])
    expectRefused(await machine.list(mirror.url), 77, /targets\.json is signed by 1 of its keys, but 2 must/)
    expect(await machine.trusted()).toMatchObject({ targets: 3 })
    repository.signers.set('targets', signers)
    Reflect.deleteProperty(repository.targets.targets, evil)
    await expectRecovery(machine, mirror, repository)
  })

  it('gives no say over the root', async ({ repository, mirror, machine }) => {
    repository.root.roles.root.threshold = 2
    repository.addKey('root')
    repository.addKey('root')
    repository.publish('root', 'timestamp')
    const signers = [...repository.signersOf('root')]
    expectListed(await machine.list(mirror.url), [app])
    const { targets } = structuredClone(repository.root.roles)
    repository.signers.set('root', signers.slice(0, 1))
    repository.root.roles.root.threshold = 1
    repository.rotateKeys('targets')
    publish(repository, [evil])
    repository.publish('root')
    expectRefused(await machine.list(mirror.url), 77, /3\.root\.json is signed by 1 of its keys, but 2 must/)
    expect(await machine.trusted()).toMatchObject({ root: 2 })
    expect(targets.keyids).not.toEqual(repository.root.roles.targets.keyids)
  })
})

describe('a key that was taken back', () => {
  it('no longer signs targets', async ({ repository, mirror, machine }) => {
    const [stolen] = repository.signersOf('targets')
    expectListed(await machine.list(mirror.url), [app])
    repository.rotateKeys('targets')
    repository.publish('root', 'targets', 'snapshot', 'timestamp')
    expectListed(await machine.list(mirror.url), [app])
    const signers = repository.signersOf('targets').splice(0)
    if (stolen) repository.signersOf('targets').push(stolen)
    publish(repository, [evil])
    expectRefused(await machine.list(mirror.url), 77, /targets\.json is signed by 0 of its keys/)
    repository.signers.set('targets', signers)
    Reflect.deleteProperty(repository.targets.targets, evil)
    await expectRecovery(machine, mirror, repository)
  })

  it('no longer signs what was trusted before it was', async ({ repository, mirror, machine }) => {
    publish(repository, [evil])
    expectListed(await machine.list(mirror.url), [app, evil])
    // Only the root and the timestamp are new: the targets that are there were signed by the thief.
    repository.rotateKeys('targets')
    repository.publish('root', 'timestamp')
    expectRefused(await machine.list(mirror.url), 77, /targets\.json is signed by 0 of its keys/)
    Reflect.deleteProperty(repository.targets.targets, evil)
    await expectRecovery(machine, mirror, repository)
  })

  it('no longer signs timestamps', async ({ repository, mirror, machine }) => {
    expectListed(await machine.list(mirror.url), [app])
    repository.timestamp.version += 10
    const replay = repository.sign('timestamp')
    repository.timestamp.version -= 10
    repository.rotateKeys('timestamp')
    repository.publish('root', 'timestamp')
    expectListed(await machine.list(mirror.url), [app])
    mirror.sin = lieAbout('timestamp.json', replay)
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is signed by 0 of its keys/)
    await expectRecovery(machine, mirror, repository)
  })

  it('stays so although the repository fails right after the root that says so', async ({
    repository,
    mirror,
    machine,
  }) => {
    expectListed(await machine.list(mirror.url), [app])
    repository.publish('timestamp')
    const old = copyOf(repository)
    repository.rotateKeys('timestamp')
    repository.publish('root')
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is signed by 0 of its keys/)
    mirror.served = old
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is signed by 0 of its keys/)
    expect((await machine.trusted()).root).toBe(2)
    await expectRecovery(machine, mirror, repository)
  })
})

describe('signatures', () => {
  it('that are none are refused', async ({ repository, mirror, machine }) => {
    expectListed(await machine.list(mirror.url), [app])
    publish(repository, [evil])
    for (const signatures of [[], {}, null, 'all', [{ keyid: 1, sig: 2 }], [null]]) {
      repository.tamper('timestamp', (envelope) => Object.assign(envelope, { signatures }))
      expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is (signed by 0|not the metadata)/)
    }
    await expectRecovery(machine, mirror, repository)
  })

  it('of one key count once: said twice', async ({ repository, mirror, machine }) => {
    needTwoOfThree(repository)
    expectListed(await machine.list(mirror.url), [app])
    repository.signersOf('targets').splice(1)
    publish(repository, [evil])
    repository.tamper('targets', ({ signatures }) => signatures.push(...signatures))
    expectRefused(await machine.list(mirror.url), 77, /it has two signatures of/)
  })

  it.for(['another id', 'another form'] as const)(
    'of one key count once: under %s',
    async (kind, { repository, mirror, machine }) => {
      repository.signers.set('targets', [])
      repository.root.roles.targets = { keyids: [], threshold: 2 }
      const signer = makeSigner()
      repository.addKey('targets', signer)
      repository.addKey('targets', kind === 'another id' ? renamed(signer, { x: 1 }) : compressed(signer))
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expectRefused(
        await machine.list(mirror.url),
        77,
        /targets\.json is signed by 1 of its keys, but 2 must/,
      )
      repository.addKey('targets')
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      await expectRecovery(machine, mirror, repository)
    },
  )

  it.for([0, -1, 0.5, 1.5, '1', null, 2 ** 53])(
    'with a threshold of %s are refused',
    async (threshold, { repository, mirror, machine }) => {
      await holdThreshold(threshold, { repository, mirror, machine })
    },
  )
})

interface World {
  repository: Repository
  mirror: Mirror
  machine: Machine
}

async function holdThreshold(threshold: unknown, { repository, mirror, machine }: World): Promise<void> {
  expectListed(await machine.list(mirror.url), [app])
  const before = repository.root.roles.targets
  repository.root.roles.targets = { ...before, threshold: threshold as number }
  const signers = repository.signersOf('targets').splice(0)
  try {
    repository.publish('root')
  } catch {
    // What has no canonical form is signed as something near it.
    repository.serve('root', 2, Buffer.from(JSON.stringify({ signatures: [], signed: repository.root })))
  }
  publish(repository, [evil])
  expectRefused(await machine.list(mirror.url), 77, /the threshold of targets is no positive number/)
  expect(await machine.trusted()).toMatchObject({ root: 1, targets: 2 })
  repository.root.roles.targets = before
  repository.root.version = 1
  repository.signersOf('targets').push(...signers)
  Reflect.deleteProperty(repository.targets.targets, evil)
  repository.publish('root')
  await expectRecovery(machine, mirror, repository)
}

/** The same key, the point on its curve written in the short form. */
function compressed(signer: Signer): Signer {
  const der = createPublicKey(signer.key.keyval.public).export({ type: 'spki', format: 'der' })
  const point = ECDH.convertKey(der.subarray(-65), 'prime256v1', undefined, undefined, 'compressed') as Buffer
  const head = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex')
  const body = Buffer.concat([head, point]).toString('base64')
  const pem = `-----BEGIN PUBLIC KEY-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END PUBLIC KEY-----\n`
  return renamed({ ...signer, key: { ...signer.key, keyval: { public: pem } } }, {})
}
