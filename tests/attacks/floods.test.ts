import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import type { Limits } from '../../src/net/limits.ts'
import { list } from '../../src/sources/list.ts'
import { openTrust } from '../../src/sources/trust.ts'
import {
  expectListed,
  expectRecovery,
  expectRefused,
  it,
  lieAbout,
  type Machine,
  Mirror,
  type Sin,
} from './hostile.ts'

const app = 'app-1.0.0-any-any'

/** Sends without end, as fast as it is taken; counts how much that was. */
function flood(wanted: RegExp, sent = { bytes: 0 }, headers = {}): Sin {
  function* pour(): Generator<Buffer> {
    for (const chunk = Buffer.alloc(65_536, ' '); ; sent.bytes += chunk.length) yield chunk
  }
  return (_request, response, name) => {
    if (!wanted.test(name)) return false
    response.writeHead(200, headers)
    const source = Readable.from(pour())
    response.on('close', () => source.destroy())
    source.pipe(response)
    return true
  }
}

describe('endless data', () => {
  it.for([
    [/timestamp\.json/, 16_384],
    [/snapshot\.json/, 2_000_000],
    [/targets\.json/, 5_000_000],
    [/2\.root\.json/, 512_000],
  ] as const)('in place of %s is cut off', async ([name, most], { repository, mirror, machine }) => {
    const sent = { bytes: 0 }
    mirror.sin = flood(name, sent)
    expectRefused(await machine.list(mirror.url), 76, new RegExp(`is larger than ${most} bytes`))
    // What is on its way in the buffers of both sides comes on top.
    expect(sent.bytes).toBeLessThan(most + 16 * 2 ** 20)
    await expectRecovery(machine, mirror, repository)
  })

  it('in place of a package is cut off', async ({ repository, mirror, machine }) => {
    const sent = { bytes: 0 }
    mirror.sin = flood(/app-/, sent)
    const update = ['update', mirror.url, '--trust', machine.root, '--to', 'app', '--name', 'app']
    expectRefused(await machine.run(update), 65, /bytes|larger/)
    expect(sent.bytes).toBeLessThan(16 * 2 ** 20)
    await expectRecovery(machine, mirror, repository)
  })

  it('that is announced is not waited for', async ({ repository, mirror, machine }) => {
    mirror.sin = flood(/timestamp\.json/, undefined, { 'content-length': 2 ** 50 })
    expectRefused(await machine.list(mirror.url), 76, /is larger than 16384 bytes/)
    await expectRecovery(machine, mirror, repository)
  })

  it.for([
    ['more', 500, /cut|short|closed|broke|reset|ended|before/],
    ['less', -500, /not JSON|is not HTTP/],
  ] as const)(
    'is no way around: %s is announced than comes',
    async ([, by, says], { repository, mirror, machine }) => {
      mirror.sin = (_request, response, name) => {
        if (name !== 'timestamp.json') return false
        const bytes = repository.bytesOf('timestamp')
        const length = bytes.length + by
        response.socket?.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${bytes.toString()}`)
        return true
      }
      const run = await machine.list(mirror.url)
      expect([69, 76, 77]).toContain(run.status)
      expectRefused(run, run.status ?? 0, says)
      await expectRecovery(machine, mirror, repository)
    },
  )

  it('that is signed for is cut off at 128 MB', async ({ repository, mirror, machine }) => {
    // Whoever has the online keys says that the targets are enormous.
    const sent = { bytes: 0 }
    repository.snapshot.meta['targets.json'] = { version: 3, length: 2 ** 50 }
    repository.timestamp.meta['snapshot.json'] = { version: 3, length: 2 ** 50 }
    repository.publish('snapshot', 'timestamp')
    mirror.sin = flood(/targets\.json/, sent)
    expectRefused(await machine.list(mirror.url), 76, /is larger than 128000000 bytes/)
    expect(sent.bytes).toBeLessThan(160_000_000)
    repository.targets.version = 3
    await expectRecovery(machine, mirror, repository)
  })

  it('of 100 MB that lies about its hash is refused', async ({ repository, mirror, machine }) => {
    const bytes = Buffer.alloc(100_000_000, '{"signed":')
    const sha256 = createHash('sha256').update('other').digest('hex')
    repository.snapshot.meta['targets.json'] = { version: 3, length: bytes.length, hashes: { sha256 } }
    repository.publish('snapshot', 'timestamp')
    mirror.sin = lieAbout('3.targets.json', bytes)
    expectRefused(await machine.list(mirror.url), 77, /3\.targets\.json does not have the sha256/)
    repository.targets.version = 3
    await expectRecovery(machine, mirror, repository)
  })
})

// Seconds of patience are cut to parts of one, and rates are raised as much.
const limits: Partial<Limits> = {
  firstByte: 500,
  idle: 500,
  rate: 20_000,
  rateWindow: 700,
  tries: 1,
  answer: 20_000,
}

/** Lists by the library, with little patience. */
async function listInHaste(machine: Machine, urls: readonly string[]): Promise<object[]> {
  const common = { cwd: machine.home, env: {}, limits }
  const trust = await openTrust({ ...common, root: machine.root, home: machine.state })
  return Array.fromAsync(list(urls, { ...common, trust, filter: { all: true } }))
}

/** Sends an answer piece by piece. */
function drip(wanted: RegExp, mirror: Mirror, piece: number, pause: number): Sin {
  return (_request, response, name) => {
    const bytes = wanted.test(name) ? mirror.served.files.get(name) : undefined
    if (bytes === undefined) return false
    const send = async (): Promise<void> => {
      response.writeHead(200, { 'content-length': bytes.length })
      for (let at = 0; at < bytes.length && !response.destroyed; at += piece) {
        response.write(bytes.subarray(at, at + piece))
        await delay(pause)
      }
      response.end()
    }
    void send()
    return true
  }
}

describe('slow retrieval', () => {
  const reasons: [string, (mirror: Mirror) => Sin, RegExp][] = [
    [
      'that never answers',
      () => (_request, _response, name) => name === 'timestamp.json',
      /no answer within/,
    ],
    ['that stops in the middle', (mirror) => drip(/timestamp/, mirror, 100, 60_000), /sent nothing for/],
    [
      'that comes a byte at a time',
      (mirror) => drip(/timestamp/, mirror, 1, 20),
      /sends less than 20000 bytes a second/,
    ],
  ]
  for (const [kind, make, says] of reasons)
    it(`${kind} is given up, and the next mirror is asked`, async ({ repository, mirror, machine }) => {
      mirror.sin = make(mirror)
      expect(await listInHaste(machine, [mirror.url])).toMatchObject([
        { error: { code: 'unreachable', exit: 69, message: expect.stringMatching(says) as string } },
      ])
      const other = await new Mirror(repository).open()
      expect(await listInHaste(machine, [mirror.url, other.url])).toMatchObject([
        { file: app, source: other.url },
      ])
      await other.close()
      await expectRecovery(machine, mirror, repository)
    })

  it('over an honest link that is slow is borne', async ({ repository, mirror, machine }) => {
    const names = Array.from({ length: 300 }, (_, i) => `lib${i}-1.0.0-any-any`)
    for (const name of names) repository.addArtifact('targets', name, name)
    repository.publish('targets', 'snapshot', 'timestamp')
    // About 50 KB at 40 KB a second: longer than any of the limits, but it never rests.
    mirror.sin = drip(/targets\.json/, mirror, 2000, 50)
    const started = performance.now()
    expect(await listInHaste(machine, [mirror.url])).toHaveLength(301)
    expect(performance.now() - started).toBeGreaterThan(700)
    expectListed(await machine.list(mirror.url), [app, ...names])
  })
})
