import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { copyOf, expectListed, expectRecovery, expectRefused, it, lieAbout, publish } from './hostile.ts'
import type { Machine, Mirror } from './hostile.ts'
import type { Repository } from '../trust/conformance/simulator.ts'

const app = 'app-1.0.0-any-any'

/** Shows a machine two states of a repository; gives what the mirror serves for the earlier one. */
async function show(machine: Machine, mirror: Mirror, repository: Repository): Promise<Mirror['served']> {
  const old = copyOf(repository)
  expectListed(await machine.list(mirror.url), [app])
  await cp(machine.state, join(machine.home, 'backup'), { recursive: true })
  publish(repository, ['app-2.0.0-any-any'])
  expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
  return old
}

const losses: Record<string, (machine: Machine) => Promise<void>> = {
  'is whole': () => Promise.resolve(),
  'was deleted': async (machine) => rm((await machine.places()).directory, { recursive: true }),
  'was truncated': async (machine) => {
    for (const role of ['root', 'timestamp', 'snapshot', 'targets'])
      await writeFile(join((await machine.places()).directory, `${role}.json`), '{"signed"')
  },
  'was restored from an old backup': async (machine) => {
    const directory = (await machine.places()).directory
    await rm(directory, { recursive: true })
    const backup = directory.replace(machine.state, join(machine.home, 'backup'))
    await cp(backup, directory, { recursive: true })
  },
}

describe('rollback', () => {
  for (const [state, lose] of Object.entries(losses)) {
    it(`of everything is noticed where the trusted directory ${state}`, async ({
      repository,
      mirror,
      machine,
    }) => {
      const old = await show(machine, mirror, repository)
      await lose(machine)
      mirror.served = old
      expectRefused(
        await machine.list(mirror.url),
        77,
        /timestamp\.json has version 2, but 3 was seen before/,
      )
      await expectRecovery(machine, mirror, repository)
    })
  }

  it('is noticed while the marks are lost, and they are set again', async ({
    repository,
    mirror,
    machine,
  }) => {
    const old = await show(machine, mirror, repository)
    const { marks, directory } = await machine.places()
    await rm(marks)
    mirror.served = old
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json has version 2, but 3 was seen/)
    mirror.served = repository
    expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
    // Nothing new was served, but the marks stand again without the directory.
    await rm(directory, { recursive: true })
    mirror.served = old
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json has version 2, but 3 was seen/)
    await expectRecovery(machine, mirror, repository)
  })

  it.for(['{"timestamp":"soon"}', '{"roles":null}', '[]', 'null', '', '{"signers":{}}', '{"root":-1}'])(
    'is noticed while the marks are %s',
    async (text, { repository, mirror, machine }) => {
      const old = await show(machine, mirror, repository)
      await writeFile((await machine.places()).marks, text)
      mirror.served = old
      const run = await machine.list(mirror.url)
      expectRefused(run, 77, /timestamp\.json has version 2, but 3 was seen before/)
      expect(run.stderr).toMatch(/marks.* is damaged/)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('of the snapshot alone is refused', async ({ repository, mirror, machine }) => {
    await show(machine, mirror, repository)
    // Whoever has the timestamp's key points to the snapshot before.
    repository.timestamp.meta['snapshot.json'] = { version: 2 }
    repository.publish('timestamp')
    expectRefused(await machine.list(mirror.url), 77, /snapshot\.json has version 2, but 3 was seen before/)
    expect(await machine.trusted()).toMatchObject({ timestamp: 3, snapshot: 3 })
    await expectRecovery(machine, mirror, repository)
  })

  it('of the targets alone is refused', async ({ repository, mirror, machine }) => {
    await show(machine, mirror, repository)
    // Whoever has both online keys points to the targets before.
    repository.snapshot.meta['targets.json'] = { version: 2 }
    repository.publish('snapshot', 'timestamp')
    expectRefused(await machine.list(mirror.url), 77, /targets\.json has version 2, but 3 was seen before/)
    expect(await machine.trusted()).toMatchObject({ snapshot: 3, targets: 3 })
    await expectRecovery(machine, mirror, repository)
  })

  it('of the root is refused where the trusted one is lost', async ({ repository, mirror, machine }) => {
    repository.rotateKeys('timestamp')
    repository.rotateKeys('snapshot')
    const old = copyOf(repository)
    repository.publish('root', 'snapshot', 'timestamp')
    expectListed(await machine.list(mirror.url), [app])
    const marks = (await machine.places()).marks
    const before = await readFile(marks, 'utf8')
    await losses['was deleted']?.(machine)
    mirror.served = old
    expectRefused(await machine.list(mirror.url), 77, /the newest root has version 1, but 2 was seen before/)
    // An older root, of which other keys are said, does not have the marks forgotten.
    expect(await readFile(marks, 'utf8')).toBe(before)
    await expectRecovery(machine, mirror, repository)
  })

  it('is refused after a key was added, since the old one still signs', async ({
    repository,
    mirror,
    machine,
  }) => {
    const old = await show(machine, mirror, repository)
    repository.addKey('timestamp')
    repository.publish('root', 'timestamp')
    expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
    const replay = old.files.get('timestamp.json') ?? Buffer.alloc(0)
    mirror.sin = lieAbout('timestamp.json', replay)
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json has version 2, but 4 was seen before/)
    await losses['was deleted']?.(machine)
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json has version 2, but 4 was seen before/)
    await expectRecovery(machine, mirror, repository)
  })
})

describe('mix and match', () => {
  it.for([
    ['targets', /3\.targets\.json says|is version 2, not 3/],
    ['snapshot', /3\.snapshot\.json says that it is version 2/],
  ] as const)(
    'of an old %s with a new state is refused',
    async ([role, says], { repository, mirror, machine }) => {
      const old = await show(machine, mirror, repository)
      await losses['was restored from an old backup']?.(machine)
      mirror.sin = lieAbout(`3.${role}.json`, old.files.get(`2.${role}.json`) ?? '')
      expectRefused(await machine.list(mirror.url), 77, says)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('of two truths of one version is refused where hashes are said', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.hashed = true
    publish(repository, ['one-1.0.0-any-any'])
    const other = repository.bytesOf('targets')
    repository.targets.version -= 1
    publish(repository, ['other-1.0.0-any-any'])
    mirror.sin = lieAbout('3.targets.json', other)
    expectRefused(
      await machine.list(mirror.url),
      77,
      /3\.targets\.json (has \d+ bytes|does not have the sha256)/,
    )
    await expectRecovery(machine, mirror, repository)
  })

  it('that is given to a program with a root between the first and the newest is noticed', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.publish('root', 'timestamp')
    const old = copyOf(repository)
    repository.publish('root')
    publish(repository, ['app-2.0.0-any-any'])
    expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
    await writeFile(machine.root, repository.files.get('2.root.json') ?? '')
    mirror.served = old
    expectRefused(await machine.list(mirror.url), 77, /has version \d+, but \d+ was seen before/)
    mirror.served = repository
    expectListed(await machine.list(mirror.url), [app, 'app-2.0.0-any-any'])
  })
})
