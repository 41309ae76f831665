import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect } from 'vitest'
import { makeSigner } from '../trust/conformance/keys.ts'
import type { Targets } from '../trust/conformance/metadata.ts'
import type { Repository } from '../trust/conformance/simulator.ts'
import { expectListed, expectRecovery, expectRefused, it, publish, type Machine } from './hostile.ts'

const app = 'app-1.0.0-any-any'

const names = [
  '../../../evil',
  '..',
  '.',
  '/etc/passwd',
  '%2e%2e%2fevil',
  '..\\..\\evil',
  'a\0b',
  'a/b',
  'a\nb',
  '\u202egpj.exe',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'timestamp.json',
  'gone',
]

/** Sets a member also where its name means something to the language. */
function set(object: object, name: string, value: unknown): void {
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
}

/** All files below the machine's home and one level above its state, so that what got out would be seen. */
async function files(machine: Machine): Promise<string[]> {
  const entries = await readdir(machine.home, { recursive: true, withFileTypes: true })
  return entries.filter((one) => one.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

/** Delegates to a role of some name, whose one package is `role-N-…`. */
function addRole(repository: Repository, name: string, number: number): string {
  const path = `role${number}-1.0.0-any-any`
  const signer = makeSigner('ed25519')
  const { targets } = repository
  targets.delegations ??= { keys: {}, roles: [] }
  set(targets.delegations.keys, signer.id, signer.key)
  targets.delegations.roles?.push({
    name,
    keyids: [signer.id],
    threshold: 1,
    terminating: false,
    paths: [path],
  })
  const role: Targets = { ...structuredClone(repository.targetsOf('targets')), version: 0, targets: {} }
  delete role.delegations
  repository.delegated.set(name, role)
  repository.signers.set(name, [signer])
  repository.addArtifact(name, path, path)
  role.version = 1
  repository.serve(name, 1, repository.sign(name))
  const served = repository.files.get(`1.${name}.json`)
  if (served) repository.files.set(`1.${encodeURIComponent(name)}.json`, served)
  set(repository.snapshot.meta, `${name}.json`, { version: 1 })
  return path
}

describe('roles with names that are meant to hurt', () => {
  it('are roles like any other, and write nowhere else', async ({ repository, mirror, machine }) => {
    const paths = names.map((name, i) => addRole(repository, name, i))
    repository.publish('targets', 'snapshot', 'timestamp')
    for (let i = 0; i < 2; i++) expectListed(await machine.list(mirror.url), [app, ...paths])
    const { directory, marks } = await machine.places()
    const state = join(machine.state, 'clock.json')
    const own = [directory, marks, state].flatMap((path) => [path, `${path}.lock`])
    const strange = (await files(machine)).filter(
      (file) => dirname(file) !== directory && ![machine.root, ...own].includes(file),
    )
    expect(strange).toEqual([])
    expect((await readdir(directory)).sort()).toEqual(
      ['root', 'timestamp', 'snapshot', 'targets', ...names]
        .map((name) => `${encodeURIComponent(name)}.json`)
        .sort(),
    )
    publish(repository, ['next-1.0.0-any-any'])
    expectListed(await machine.list(mirror.url), [app, ...paths, 'next-1.0.0-any-any'])
  })

  it('that are longer than a file’s name may be take only their own with them', async ({
    repository,
    mirror,
    machine,
  }) => {
    addRole(repository, 'x'.repeat(5000), 1)
    addRole(repository, 'ü'.repeat(100), 2)
    const good = addRole(repository, 'ü'.repeat(38), 3)
    repository.publish('targets', 'snapshot', 'timestamp')
    const run = await machine.list(mirror.url)
    expect(run, run.stderr).toMatchObject({ status: 77 })
    expect(run.records.map(({ file }) => file)).toEqual([app, good])
    expect(run.failures).toHaveLength(2)
    expect(run.stderr).toMatch(/the name of a role is longer than 230 letters: x{40}…/)
    expect(run.stderr.length).toBeLessThan(16_000)
  })

  it('that are those of the top are refused', async ({ repository, mirror, machine }) => {
    for (const name of ['root', 'timestamp', 'snapshot', 'targets', '']) {
      repository.targets.delegations = { keys: {}, roles: [] }
      const role = { name, keyids: [], threshold: 1, terminating: false, paths: ['*'] }
      repository.targets.delegations.roles?.push(role)
      repository.publish('targets', 'snapshot', 'timestamp')
      expectRefused(await machine.list(mirror.url), 77, /cannot be delegated|has no name/)
    }
    delete repository.targets.delegations
    await expectRecovery(machine, mirror, repository)
  })
})

describe('targets with names that are meant to hurt', () => {
  it('are not listed', async ({ repository, mirror, machine }) => {
    const [target] = Object.values(repository.targets.targets)
    const { length } = Object.keys(repository.targets.targets)
    const bad = [
      ...names,
      'x'.repeat(5000),
      '../app-2.0.0-any-any',
      'a/app-2.0.0-any-any',
      '.app-2.0.0-any-any',
    ]
    bad.push(
      'app-2.0.0-any-any/',
      'app\\-2.0.0-any-any',
      'app-2.0.0-any-any\n',
      'a\0pp-2.0.0-any-any',
      '-2.0.0-any-any',
    )
    for (const name of bad) set(repository.targets.targets, name, structuredClone(target))
    repository.publish('targets', 'snapshot', 'timestamp')
    expect(Object.keys(repository.targets.targets)).toHaveLength(length + bad.length)
    expectListed(await machine.list(mirror.url), [app])
  })

  it('are not taken for what every object has', async ({ repository, mirror, machine }) => {
    publish(repository, ['tool-1.0.0-any-any'])
    for (const file of ['__proto__', 'constructor', 'toString', '..']) {
      const identity = { schema: 1, name: 'x', version: '1.0.0', os: 'any', arch: 'any' }
      const record = { ...identity, file, path: machine.root }
      const run = await machine.run(['verify', '--trust', machine.root, '--repository', mirror.url], {
        input: `${JSON.stringify(record)}\n`,
      })
      expect(run.records).toEqual([])
      expect([65, 77]).toContain(run.status)
      expect(run.stderr).toMatch(/no role of the repository vouches for|must be a name/)
    }
  })
})

describe('keys with names that are meant to hurt', () => {
  it.for(['__proto__', 'constructor', 'toString', '../x', ''])(
    'are no keys: %s',
    async (id, { repository, mirror, machine }) => {
      expectListed(await machine.list(mirror.url), [app])
      const before = structuredClone(repository.root.roles.targets)
      // Named, but not among the keys: whatever an object has by itself is none.
      repository.root.roles.targets.keyids = [id]
      repository.publish('root', 'timestamp')
      expectRefused(await machine.list(mirror.url), 77, /targets\.json is signed by 0 of its keys/)
      repository.root.roles.targets = before
      repository.publish('root')
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('are keys like any other where they are given', async ({ repository, mirror, machine }) => {
    const [signer] = repository.signersOf('targets')
    for (const id of ['__proto__', 'constructor']) {
      set(repository.root.keys, id, signer?.key)
      repository.root.roles.targets.keyids = [id]
      repository.signers.set('targets', [{ ...makeSigner(), ...signer, id }])
      repository.publish('root', 'targets', 'snapshot', 'timestamp')
      expectListed(await machine.list(mirror.url), [app])
    }
    await expectRecovery(machine, mirror, repository)
  })
})

describe('patterns that are meant to hurt', () => {
  it('take no time to be refused', async ({ repository, mirror, machine }) => {
    const patterns = [
      '*a'.repeat(2000),
      `${'?*'.repeat(2000)}b`,
      '['.repeat(5000),
      '[!]'.repeat(1000),
      '/'.repeat(5000),
    ]
    repository.delegate('targets', { name: 'team', paths: [...patterns, '[z-a]', '[]', '[!', '\\'] })
    publish(repository, ['tool-1.0.0-any-any'], 'team')
    expectListed(await machine.list(mirror.url), [app])
  })
})
