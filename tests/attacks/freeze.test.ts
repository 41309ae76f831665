import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { createProver } from '../../src/sources/prover.ts'
import { openTrust } from '../../src/sources/trust.ts'
import { inDays } from '../trust/conformance/metadata.ts'
import { expectListed, expectRecovery, expectRefused, it, lieAbout } from './hostile.ts'

const app = 'app-1.0.0-any-any'

describe('fast-forward', () => {
  for (const state of ['is whole', 'was deleted'] as const)
    it(`is recovered from by new online keys where the trusted directory ${state}`, async ({
      repository,
      mirror,
      machine,
    }) => {
      repository.timestamp.version = repository.snapshot.version = 2 ** 40
      repository.publish('snapshot', 'timestamp')
      expectListed(await machine.list(mirror.url), [app])
      repository.timestamp.version = repository.snapshot.version = 2
      repository.publish('snapshot', 'timestamp')
      expectRefused(
        await machine.list(mirror.url),
        77,
        /timestamp\.json has version 3, but 1099511627777 was/,
      )
      repository.rotateKeys('timestamp')
      repository.rotateKeys('snapshot')
      repository.publish('root', 'snapshot', 'timestamp')
      const { directory } = await machine.places()
      if (state === 'was deleted') await rm(directory, { recursive: true })
      expectListed(await machine.list(mirror.url), [app])
      expect(await machine.trusted()).toMatchObject({ root: 2, timestamp: 4, snapshot: 4 })
      await expectRecovery(machine, mirror, repository)
    })

  it('is recovered from by keys that were added before the stolen ones went', async ({
    repository,
    mirror,
    machine,
  }) => {
    const [stolen] = repository.signersOf('timestamp')
    repository.timestamp.version = 2 ** 40
    repository.publish('timestamp')
    expectListed(await machine.list(mirror.url), [app])
    repository.addKey('timestamp')
    repository.publish('root')
    await machine.list(mirror.url)
    repository.root.roles.timestamp.keyids = repository.root.roles.timestamp.keyids.filter(
      (id) => id !== stolen?.id,
    )
    repository.signersOf('timestamp').shift()
    repository.timestamp.version = 2
    repository.publish('root', 'timestamp')
    expectListed(await machine.list(mirror.url), [app])
    await expectRecovery(machine, mirror, repository)
  })

  it('beyond what a number can say is refused', async ({ repository, mirror, machine }) => {
    expectListed(await machine.list(mirror.url), [app])
    mirror.sin = lieAbout(
      'timestamp.json',
      repository.bytesOf('timestamp').toString().replace('"version": 2', '"version": 1e300'),
    )
    expectRefused(await machine.list(mirror.url), 77, /its version is no positive number/)
    await expectRecovery(machine, mirror, repository)
  })
})

describe('indefinite freeze', () => {
  it.for(['timestamp', 'snapshot', 'targets', 'root'] as const)(
    'with an expired %s is noticed, also once the clock is set back',
    async (role, { repository, mirror, machine }) => {
      const names =
        role === 'root' ? (['root', 'timestamp'] as const) : ([role, 'snapshot', 'timestamp'] as const)
      repository.draft(role).expires = inDays(10)
      repository.publish(...new Set(names))
      expectListed(await machine.list(mirror.url), [app])
      const says = new RegExp(`${role}\\.json expired at`)
      expectRefused(await machine.list(mirror.url, { day: 11 }), 77, says)
      // The latest time that this machine saw counts: what has died stays dead.
      const back = await machine.list(mirror.url)
      expectRefused(back, 77, says)
      expect(back.stderr).toMatch(/it was set back/)
      expect(back.stderr).toMatch(/delete .*clock\.json/)
      expect(await machine.trusted()).toMatchObject({ [role]: repository.draft(role).version })
      repository.draft(role).expires = inDays(30)
      repository.publish(...new Set(names))
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('of a machine without network is noticed when a file is verified', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.timestamp.expires = inDays(10)
    repository.publish('timestamp')
    expectListed(await machine.list(mirror.url), [app])
    await writeFile(join(machine.home, app), `the bytes of ${app}`)
    const verify = ['verify', '--trust', machine.root, app]
    expect(await machine.run(verify)).toMatchObject({ status: 0, records: [{ proofs: [{ by: 'tuf' }] }] })
    expectRefused(await machine.run(verify, { day: 11 }), 77, /timestamp\.json expired at/)
  })

  it('of a step that never ends is noticed', async ({ repository, mirror, machine }) => {
    const trust = await openTrust({ cwd: machine.home, env: {}, root: machine.root, home: machine.state })
    // As `verify` in the pipe of a watch, which may run for weeks.
    const prover = createProver(trust, [mirror.url], 0)
    expect(await prover.find({ file: app, watched: true })).toMatchObject({ path: app })
    const target = repository.targets.targets[app]
    if (target) target.custom = { yanked: true }
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(await prover.find({ file: app, watched: true })).toMatchObject({
      target: { custom: { yanked: true } },
    })
    repository.timestamp.expires = inDays(-1)
    repository.publish('timestamp')
    await expect(prover.find({ file: app, watched: true })).rejects.toMatchObject({
      code: 'expired',
      exit: 77,
    })
    prover.close()
  })
})
