import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { Repository } from '../trust/conformance/simulator.ts'
import {
  expectListed,
  expectRecovery,
  expectRefused,
  it,
  lieAbout,
  publish,
  type Machine,
} from './hostile.ts'

const app = 'app-1.0.0-any-any'

/** Lists and fetches; gives the record. */
async function fetchOne(machine: Machine, url: string): Promise<string> {
  const { records } = await machine.list(url)
  const run = await machine.run(['fetch'], { input: `${JSON.stringify(records[0])}\n` })
  expect(run).toMatchObject({ status: 0, failures: [] })
  return `${JSON.stringify(run.records[0])}\n`
}

describe('arbitrary software', () => {
  it.for([
    ['of the same length', 65, /sha256:/],
    ['that is longer', 65, /bytes/],
    ['that is shorter', 65, /bytes/],
  ] as const)(
    '%s than what was signed is refused when it is fetched',
    async ([kind, status, says], { repository, mirror, machine }) => {
      const honest = await machine.list(mirror.url)
      const bytes = `the bytes of ${app}`
      const evil = { 'of the same length': bytes.replace('t', 'T'), 'that is longer': `${bytes}!` }
      repository.substitute('targets', app, { ...evil, 'that is shorter': bytes.slice(1) }[kind])
      const input = `${JSON.stringify(honest.records[0])}\n`
      expectRefused(await machine.run(['fetch'], { input }), status, says)
      const update = ['update', mirror.url, '--trust', machine.root, '--to', 'app', '--name', 'app']
      expectRefused(await machine.run(update), status, says)
      await expect(readFile(join(machine.home, 'app'))).rejects.toThrow('ENOENT')
      repository.substitute('targets', app, bytes)
      expect(await machine.run(update)).toMatchObject({ status: 0, failures: [] })
      expect(await readFile(join(machine.home, 'app'), 'utf8')).toBe(bytes)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it.for(['timestamp', 'snapshot', 'targets'] as const)(
    'named in a changed %s is not listed',
    async (role, { repository, mirror, machine }) => {
      expectListed(await machine.list(mirror.url), [app])
      const before = await machine.trusted()
      publish(repository, ['evil-1.0.0-any-any'])
      const honest = new Map(repository.files)
      repository.tamper(role, ({ signed }) => (signed.evil = true))
      expectRefused(await machine.list(mirror.url), 77, /is signed by 0 of its keys/)
      expect((await machine.trusted())[role]).toBe(before[role])
      for (const [name, bytes] of honest) repository.files.set(name, bytes)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it.for(['timestamp', 'snapshot', 'targets', 'root'] as const)(
    'named in an unsigned %s is not listed',
    async (role, { repository, mirror, machine }) => {
      expectListed(await machine.list(mirror.url), [app])
      const before = await machine.trusted()
      repository.signers.set(`${role} kept`, repository.signersOf(role))
      repository.signers.set(role, [])
      if (role === 'root') repository.publish('root')
      publish(repository, ['evil-1.0.0-any-any'])
      expectRefused(await machine.list(mirror.url), 77, /is signed by 0 of its keys/)
      expect((await machine.trusted())[role]).toBe(before[role])
      repository.signers.set(role, repository.signersOf(`${role} kept`))
      if (role === 'root') repository.serve('root', repository.root.version, repository.sign('root'))
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('from a repository of strangers is not listed', async ({ repository, mirror, machine }) => {
    const strangers = new Repository()
    publish(strangers, ['evil-1.0.0-any-any'])
    strangers.root.version = 1
    strangers.publish('root')
    mirror.served = strangers
    expectRefused(await machine.list(mirror.url), 77, /2\.root\.json is signed by 0 of its keys/)
    mirror.sin = lieAbout('2.root.json', '', 404)
    expectRefused(await machine.list(mirror.url), 77, /timestamp\.json is signed by 0 of its keys/)
    expect(await machine.trusted()).toEqual({ root: 1 })
    await expectRecovery(machine, mirror, repository)
  })
})

describe('wrong software', () => {
  it('under the name of another package is refused: its bytes', async ({ repository, mirror, machine }) => {
    publish(repository, ['tool-1.0.0-any-any'])
    repository.substitute('targets', app, 'the bytes of tool-1.0.0-any-any')
    const update = ['update', mirror.url, '--trust', machine.root, '--to', 'app', '--name', 'app']
    expectRefused(await machine.run(update), 65, /has 31 bytes, not 30/)
    repository.substitute('targets', app, `the bytes of ${app}`)
    await expectRecovery(machine, mirror, repository)
  })

  it('under the name of another role is refused: its metadata', async ({ repository, mirror, machine }) => {
    expectListed(await machine.list(mirror.url), [app])
    const before = await machine.trusted()
    publish(repository, ['tool-1.0.0-any-any'])
    mirror.sin = lieAbout(/\.targets\.json$/, repository.bytesOf('snapshot'))
    expectRefused(await machine.list(mirror.url), 77, /it is of type "snapshot", not targets/)
    expect((await machine.trusted()).targets).toBe(before.targets)
    await expectRecovery(machine, mirror, repository)
  })

  it('under the name of another role of the same kind is refused', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.delegate('targets', { name: 'team', paths: ['tool-*'] })
    publish(repository, ['tool-1.0.0-any-any'], 'team')
    mirror.sin = lieAbout(/\.team\.json$/, repository.bytesOf('targets'))
    const run = await machine.list(mirror.url)
    expect(run).toMatchObject({ status: 77, records: [{ file: app }] })
    expect(run.stderr).toMatch(/what team vouches for is left out: .*signed by 0 of its keys/)
    mirror.sin = undefined
    expectListed(await machine.list(mirror.url), [app, 'tool-1.0.0-any-any'])
  })
})

describe('replaced bytes', () => {
  it('between verify and install are not installed', async ({ repository, mirror, machine }) => {
    const fetched = await fetchOne(machine, mirror.url)
    const verified = await machine.run(['verify', '--trust', machine.root, '--require', 'tuf'], {
      input: fetched,
    })
    expect(verified).toMatchObject({ status: 0, failures: [] })
    const [record] = verified.records
    const input = `${JSON.stringify(record)}\n`
    await writeFile(record?.path ?? '', `THE bytes of ${app}`)
    const install = ['install', '--to', 'app', '--require', 'tuf']
    expectRefused(await machine.run(install, { input }), 65, /sha256:/)
    await expect(readFile(join(machine.home, 'app'))).rejects.toThrow('ENOENT')
    // What was replaced in the cache is not taken from there either.
    const again = await machine.run(['fetch'], { input: fetched })
    expect(again).toMatchObject({ status: 0 })
    const replay = { input: `${JSON.stringify(again.records[0])}\n` }
    expect(await machine.run(install, replay)).toMatchObject({ status: 0 })
    expect(await readFile(join(machine.home, 'app'), 'utf8')).toBe(`the bytes of ${app}`)
    await expectRecovery(machine, mirror, repository)
  })

  it('between fetch and verify are not proven', async ({ mirror, machine }) => {
    const fetched = await fetchOne(machine, mirror.url)
    const { path } = JSON.parse(fetched) as { path: string }
    await writeFile(path, `THE bytes of ${app}`)
    expectRefused(await machine.run(['verify', '--trust', machine.root], { input: fetched }), 77, /sha256:/)
  })
})
