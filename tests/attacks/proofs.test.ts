import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { expectRefused, it, publish, type Machine, type Mirror, type Run } from './hostile.ts'

const app = 'app-1.0.0-any-any'
const line = (...values: unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('')

/** A record as `fetch` gives it. */
async function fetchApp({ url }: Mirror, machine: Machine): Promise<NonNullable<Run['records'][0]>> {
  const listed = await machine.list(url)
  const run = await machine.run(['fetch'], {
    input: line(...listed.records.filter(({ file }) => file === app)),
  })
  expect(run, run.stderr).toMatchObject({ status: 0, records: [{ file: app }] })
  const [record] = run.records
  if (!record) throw new Error('nothing was fetched')
  return record
}

describe('install --require tuf', () => {
  const lesser: [string, unknown][] = [
    ['no proofs', undefined],
    ['an empty list of proofs', []],
    ['the digest', [{ by: 'digest' }]],
    ['digest and minisign', [{ by: 'digest' }, { by: 'minisign', key: 'RW', comment: 'tuf' }]],
    ['something that is nearly it', [{ by: 'TUF' }, { by: 'tuf ' }, { by: 'tuf\0' }, { by: 'sigtuf' }]],
    [
      'what has it in another field',
      [
        { by: 'digest', tuf: true },
        { by: 'checksums', from: 'tuf' },
      ],
    ],
  ]
  for (const [kind, proofs] of lesser)
    it(`refuses ${kind}`, async ({ mirror, machine }) => {
      const { proofs: _, ...record } = await fetchApp(mirror, machine)
      const input = line({ ...record, ...(proofs !== undefined && { proofs }) })
      const run = await machine.run(['install', '--to', 'app', '--require', 'tuf'], { input })
      expectRefused(run, 77, /app-1\.0\.0-any-any is not proven by tuf/)
      expect(run.stderr).toContain('verify')
      await expect(readFile(join(machine.home, 'app'))).rejects.toThrow('ENOENT')
    })

  it.for([['tuf'], [{ by: ['tuf'] }], { by: 'tuf' }, 'tuf', [null], [{}]])(
    'refuses proofs of no form: %j',
    async (proofs, { mirror, machine }) => {
      const record = await fetchApp(mirror, machine)
      const run = await machine.run(['install', '--to', 'app', '--require', 'tuf'], {
        input: line({ ...record, proofs }),
      })
      expectRefused(run, 65, /proofs|by/)
    },
  )

  it('refuses other bytes under a true proof', async ({ mirror, machine }) => {
    const record = await fetchApp(mirror, machine)
    const path = join(machine.home, 'evil')
    await writeFile(path, 'evil')
    const install = ['install', '--to', 'app', '--require', 'tuf']
    expectRefused(
      await machine.run(install, { input: line({ ...record, path }) }),
      65,
      /has 4 bytes, its record says 30/,
    )
    const { digest: _, ...bare } = record
    const run = await machine.run(install, { input: line({ ...bare, path, size: 4 }) })
    expect(run.records).toEqual([])
    expect([65, 77]).toContain(run.status)
  })
})

describe('verify --trust', () => {
  const forgeries: [string, object, RegExp][] = [
    ['a forged digest', { digest: `sha256:${'0'.repeat(64)}` }, /has the digest sha256:/],
    ['a forged size', { size: 1 }, /bytes, not 1/],
    ['the name of another package', { name: 'tool' }, /another package than the record says/],
    ['another version than that of the file', { version: '9.0.0' }, /another package than the record says/],
    [
      'the file name of another package',
      { file: 'tool-1.0.0-any-any', name: 'tool' },
      /is not what the repository|bytes, not/,
    ],
    [
      'a file name that nobody vouches for',
      { file: 'app-9.0.0-any-any', version: '9.0.0' },
      /no role .*vouches for/,
    ],
  ]
  for (const [kind, forgery, says] of forgeries)
    it(`refuses ${kind}, with a forged proof beside it`, async ({ repository, mirror, machine }) => {
      publish(repository, ['tool-1.0.0-any-any'])
      const record = await fetchApp(mirror, machine)
      const proofs = [{ by: 'tuf', role: 'targets', version: 99, expires: '2099-01-01T00:00:00Z' }]
      const input = line({ ...record, proofs, ...forgery })
      expectRefused(await machine.run(['verify', '--trust', machine.root], { input }), 77, says)
    })

  it('refuses other bytes whatever digest and proofs they bring', async ({ mirror, machine }) => {
    const record = await fetchApp(mirror, machine)
    const path = join(machine.home, 'evil')
    await writeFile(path, 'evil')
    const digest = `sha256:${createHash('sha256').update('evil').digest('hex')}`
    const input = line({ ...record, path, size: 4, digest })
    const args = ['verify', '--trust', machine.root, '--require', 'tuf']
    expectRefused(await machine.run(args, { input }), 77, /app-1\.0\.0-any-any has 4 bytes, not 30/)
  })

  it('replaces a forged proof by what is true', async ({ mirror, machine }) => {
    const record = await fetchApp(mirror, machine)
    const forged = { by: 'tuf', role: 'root', version: 99, expires: '2099-01-01T00:00:00Z' }
    const run = await machine.run(['verify', '--trust', machine.root, '--require', 'tuf'], {
      input: line({ ...record, proofs: [forged] }),
    })
    expect(run, run.stderr).toMatchObject({ status: 0 })
    expect(run.records[0]?.proofs?.filter(({ by }) => by === 'tuf')).toMatchObject([
      { role: 'targets', version: 2 },
    ])
  })

  it('believes no repository that the record names unless the root speaks for it', async ({
    mirror,
    machine,
  }) => {
    const record = await fetchApp(mirror, machine)
    for (const source of ['http://127.0.0.1:1', 'file:///etc', 'gopher://x', '', '../..']) {
      const run = await machine.run(['verify', '--trust', machine.root], {
        input: line({ ...record, source }),
      })
      expect(run.records, source).toEqual([])
      expect([64, 65, 69, 77], `${run.status} ${source} ${run.stderr}`).toContain(run.status)
    }
  })

  it('gives nothing for a root that is none', async ({ mirror, machine }) => {
    const record = await fetchApp(mirror, machine)
    for (const text of [
      '',
      '{}',
      '<html>',
      '{"signed":{"_type":"root"},"signatures":[]}',
      ' '.repeat(600_000),
    ]) {
      await writeFile(machine.root, text)
      expectRefused(
        await machine.run(['verify', '--trust', machine.root], { input: line(record) }),
        78,
        /root\.json/,
      )
      expectRefused(await machine.list(mirror.url), 78, /root\.json/)
    }
    expectRefused(await machine.run(['list', '--trust', '/nowhere', mirror.url]), 78, /cannot read \/nowhere/)
    expectRefused(await machine.run(['list', '--trust', machine.home, mirror.url]), 78, /it is a directory/)
  })
})
