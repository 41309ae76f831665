import { describe, expect } from 'vitest'
import { makeSigner } from '../trust/conformance/keys.ts'
import { inDays } from '../trust/conformance/metadata.ts'
import type { Repository } from '../trust/conformance/simulator.ts'
import { expectListed, expectRefused, it, publish, type Run } from './hostile.ts'

const app = 'app-1.0.0-any-any'
const tool = 'tool-1.0.0-any-any'

/** Gives a team the names that begin with tool-. */
function addTeam(repository: Repository, name = 'team', paths = ['tool-*']): void {
  repository.delegate('targets', { name, paths })
  publish(repository, [tool], name)
}

/** Holds that only what one role vouches for is missing, and that this was said. */
function expectWithout(run: Run, role: string, says: RegExp, files = [app]): void {
  expect(run, run.stderr).toMatchObject({ status: 77 })
  expect(run.records.map(({ file }) => file)).toEqual(files)
  expect(run.failures).toMatchObject([{ exit: 77, hint: expect.any(String) as string }])
  expect(run.failures[0]?.message).toMatch(
    new RegExp(`what ${role} vouches for is left out: .*${says.source}`),
  )
  expect(run.stderr).toMatch(says)
}

describe('a team whose metadata is broken takes only its own paths with it', () => {
  const ways: [string, RegExp, (repository: Repository) => void][] = [
    [
      'unsigned',
      /is signed by 0 of its keys/,
      (repository) => repository.tamper('team', (one) => (one.signatures = [])),
    ],
    [
      'expired',
      /team\.json expired at/,
      (repository) => {
        repository.targetsOf('team').expires = inDays(-1)
        repository.publish('team', 'snapshot', 'timestamp')
      },
    ],
    ['no metadata', /not JSON/, (repository) => repository.serve('team', 1, Buffer.from('<html>'))],
    [
      'of another version',
      /is version 1, not 2/,
      (repository) => {
        const bytes = repository.bytesOf('team')
        repository.publish('team', 'snapshot', 'timestamp')
        repository.serve('team', 2, bytes)
      },
    ],
    [
      'not in the snapshot',
      /the snapshot does not name team\.json/,
      (repository) => {
        Reflect.deleteProperty(repository.snapshot.meta, 'team.json')
        repository.publish('snapshot', 'timestamp')
      },
    ],
  ]
  for (const [kind, says, break_] of ways)
    it(kind, async ({ repository, mirror, machine }) => {
      addTeam(repository)
      break_(repository)
      expectWithout(await machine.list(mirror.url), 'team', says)
      // What the role might have spoken for is not proven by anyone else.
      const record = {
        schema: 1,
        name: 'tool',
        version: '1.0.0',
        os: 'any',
        arch: 'any',
        file: tool,
        path: machine.root,
      }
      const input = `${JSON.stringify(record)}\n`
      const verify = ['verify', '--trust', machine.root, '--repository', mirror.url]
      expectRefused(await machine.run(verify, { input }), 77, says)
      repository.targetsOf('team').expires = inDays(30)
      repository.publish('team', 'snapshot', 'timestamp')
      expectListed(await machine.list(mirror.url), [app, tool])
    })
})

describe('a team', () => {
  it('cannot speak for names that were not given to it', async ({ repository, mirror, machine }) => {
    addTeam(repository)
    publish(repository, ['app-9.0.0-any-any', 'tools/app-9.0.0-any-any', 'TOOL-1.0.0-any-any'], 'team')
    expectListed(await machine.list(mirror.url), [app, tool])
    const record = {
      schema: 1,
      name: 'app',
      version: '9.0.0',
      os: 'any',
      arch: 'any',
      file: 'app-9.0.0-any-any',
    }
    const input = `${JSON.stringify({ ...record, path: machine.root })}\n`
    const verify = ['verify', '--trust', machine.root, '--repository', mirror.url]
    expectRefused(await machine.run(verify, { input }), 77, /no role of the repository vouches for app-9/)
  })

  it('cannot claim in its data to be what its path is not', async ({ repository, mirror, machine }) => {
    addTeam(repository)
    const target = repository.targetsOf('team').targets[tool]
    for (const custom of [{ name: 'app' }, { version: '9.0.0' }, { os: 'linux' }, { arch: 'arm64' }]) {
      if (target) target.custom = custom
      repository.publish('team', 'snapshot', 'timestamp')
      const run = await machine.list(mirror.url)
      expectListed(run, [app])
      expect(run.stderr).toMatch(/leaving out tool-1\.0\.0-any-any: its metadata says/)
    }
  })

  it('cannot say in its data where the bytes are, what they are, or who proved them', async ({
    repository,
    mirror,
    machine,
  }) => {
    addTeam(repository)
    const target = repository.targetsOf('team').targets[tool]
    const lies = {
      url: 'http://evil.example',
      path: '/etc/passwd',
      digest: 'sha256:0',
      size: 1,
      mirrors: ['x'],
    }
    if (target)
      target.custom = {
        ...lies,
        proofs: [{ by: 'minisign' }],
        error: {},
        installed: {},
        source: 'x',
        file: app,
      }
    repository.publish('team', 'snapshot', 'timestamp')
    const run = await machine.list(mirror.url)
    expectListed(run, [app, tool])
    const [, record] = run.records
    expect(record).toMatchObject({ file: tool, source: mirror.url, proofs: [{ by: 'tuf', role: 'team' }] })
    expect(record?.url?.startsWith(mirror.url)).toBe(true)
    for (const field of ['path', 'mirrors', 'installed', 'error']) expect(record).not.toHaveProperty(field)
  })

  it('takes no other team down by delegating to its name', async ({ repository, mirror, machine }) => {
    // The first of two teams delegates to the role of the second's team, with keys of its own.
    repository.delegate('targets', { name: 'a', paths: ['tool-*'] })
    repository.delegate('targets', { name: 'b', paths: ['lib-*'] })
    repository.delegate('a', { name: 'shared', paths: ['tool-9*'] })
    const own = [...repository.signersOf('shared')]
    repository.delegate('b', { name: 'shared', paths: ['lib-*'] })
    repository.signers.set(
      'shared',
      repository.signersOf('shared').filter((one) => !own.includes(one)),
    )
    for (const role of ['a', 'b']) repository.publish(role)
    publish(repository, ['lib-1.0.0-any-any'], 'shared')
    const listed = [app, 'lib-1.0.0-any-any']
    expectWithout(await machine.list(mirror.url), 'shared', /signed by 0 of its keys/, listed)
    repository.targets.delegations?.roles?.reverse()
    repository.publish('targets', 'snapshot', 'timestamp')
    expectWithout(await machine.list(mirror.url), 'shared', /signed by 0 of its keys/, listed)
  })

  it('that delegates to a role which is not there is no hindrance to who asks for other names', async ({
    repository,
    mirror,
    machine,
  }) => {
    addTeam(repository)
    repository.delegate('team', { name: 'ghost', paths: ['*'] })
    repository.publish('team', 'snapshot', 'timestamp')
    const list = async (...more: string[]): Promise<Run> =>
      machine.run(['list', '--trust', machine.root, mirror.url, ...more])
    const run = await list('--name', 'app')
    expectListed(run, [app])
    expect(run.stderr).toMatch(
      /warning: what ghost vouches for is left out: the snapshot does not name ghost/,
    )
    // What might be another of its packages is not said to be the newest.
    expectWithout(await list('--name', 'tool'), 'ghost', /does not name ghost/, [tool])
    expectWithout(await list(), 'ghost', /does not name ghost/, [app, tool])
  })

  it('with data of no form is left out, and nothing falls over', async ({ repository, mirror, machine }) => {
    addTeam(repository)
    const target = repository.targetsOf('team').targets[tool]
    const bad = [
      { rollout: 'soon' },
      { rollout: { start: 1, rate: {} } },
      { rollout: { waves: 'all' } },
      { floor: 'high' },
      { channel: 7 },
      { published: 'once' },
      { notes: [] },
      { critical: 'yes' },
    ]
    for (const custom of bad) {
      if (target) target.custom = custom
      repository.publish('team', 'snapshot', 'timestamp')
      const run = await machine.list(mirror.url)
      expectListed(run, [app])
      expect(run.stderr).toMatch(/leaving out tool-1\.0\.0-any-any/)
    }
  })

  it('that takes a package back has it neither listed nor proven', async ({
    repository,
    mirror,
    machine,
  }) => {
    addTeam(repository)
    const [record] = (await machine.list(mirror.url)).records.filter(({ file }) => file === tool)
    const fetched = await machine.run(['fetch'], { input: `${JSON.stringify(record)}\n` })
    const input = `${JSON.stringify(fetched.records[0])}\n`
    const target = repository.targetsOf('team').targets[tool]
    for (const yanked of [{ at: '2026-01-01T00:00:00Z', reason: 'it eats data' }, true, 'yes', {}, 1]) {
      if (target) target.custom = { yanked }
      repository.publish('team', 'snapshot', 'timestamp')
      expectListed(await machine.list(mirror.url), [app])
      const run = await machine.run(['verify', '--trust', machine.root], { input })
      expectRefused(run, 77, /tool-1\.0\.0-any-any was yanked by its publisher/)
    }
  })

  it('may delegate in circles', async ({ repository, mirror, machine }) => {
    addTeam(repository, 'a')
    repository.delegate('a', { name: 'b', paths: ['*'] })
    repository.delegate('b', { name: 'a', paths: ['*'] })
    repository.delegate('b', { name: 'b', paths: ['*'] })
    for (const role of ['a', 'b']) {
      repository.signers.set(role, [makeSigner()])
      const [signer] = repository.signersOf(role)
      if (!signer) continue
      for (const from of ['targets', 'a', 'b']) {
        const { delegations } = repository.targetsOf(from)
        for (const one of delegations?.roles ?? []) if (one.name === role) one.keyids = [signer.id]
        if (delegations) delegations.keys[signer.id] = signer.key
      }
    }
    publish(repository, ['tool-2.0.0-any-any'], 'b')
    repository.publish('a', 'targets', 'snapshot', 'timestamp')
    expectListed(await machine.list(mirror.url), [app, tool, 'tool-2.0.0-any-any'])
  })
})
