import { createHash } from 'node:crypto'
import { describe, expect } from 'vitest'
import type { Repository } from '../trust/conformance/simulator.ts'
import {
  expectListed,
  expectRecovery,
  expectRefused,
  it,
  publish,
  type Machine,
  type Run,
} from './hostile.ts'

const app = 'app-1.0.0-any-any'
const hash = createHash('sha256').update('x').digest('hex')
const nameOf = (number: number): string => `lib-1.0.${1_000_000 + number}-any-any`

/** Metadata of the targets kind, signed, without a detour over objects, which takes too long by the million. */
function writeTargets(
  repository: Repository,
  role: string,
  version: number,
  names: Iterable<string>,
): Buffer {
  const lines: string[] = []
  for (const name of names) lines.push(`"${name}":{"hashes":{"sha256":"${hash}"},"length":1}`)
  const { expires } = repository.draft(role)
  const signed = `{"_type":"targets","expires":"${expires}","spec_version":"1.0.34","targets":{${lines.join(',')}},"version":${version}}`
  const bytes = Buffer.from(signed)
  const signatures = repository.signersOf(role).map((one) => ({ keyid: one.id, sig: one.sign(bytes) }))
  return Buffer.from(`{"signatures":${JSON.stringify(signatures)},"signed":${signed}}`)
}

function* million(): Generator<string> {
  for (let i = 0; i < 1_000_000; i++) yield nameOf(i)
}

interface Cost {
  seconds: number
  /** The most memory that was taken at once, in MB. */
  memory: number
}

/** Runs a verb, and measures it. */
async function measure(
  machine: Machine,
  args: readonly string[],
  input = '',
): Promise<{ run: Run; cost: Cost }> {
  const started = performance.now()
  // Not the system's maxrss, which a process inherits from the one that started it.
  const tell = 'process.on("exit",()=>console.error(/VmHWM.*/.exec(fs.readFileSync("/proc/self/status"))[0]))'
  const script = `import fs from "node:fs";${tell}`
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(script)}` }
  const run = await machine.run(args, { env, input })
  const memory = Number(/VmHWM:\s*(\d+) kB/.exec(run.stderr)?.[1]) / 1024
  const cost = { seconds: (performance.now() - started) / 1000, memory }
  console.log(`${args[0]}: ${cost.seconds.toFixed(1)} s, ${cost.memory.toFixed(0)} MB`)
  return { run, cost }
}

const listing = (machine: Machine, url: string): string[] => ['list', '--trust', machine.root, url]

// Memory is read from /proc.
const onLinux = process.platform === 'linux'

describe.runIf(onLinux)('a million targets', () => {
  it(
    'in one file are listed in bounded time and memory',
    { timeout: 90_000 },
    async ({ repository, mirror, machine }) => {
      const bytes = writeTargets(repository, 'targets', 3, million())
      repository.serve('targets', 3, bytes)
      repository.snapshot.meta['targets.json'] = { version: 3, length: bytes.length }
      repository.publish('snapshot', 'timestamp')
      const { run, cost } = await measure(machine, listing(machine, mirror.url))
      expectListed(run, [nameOf(999_999)])
      expect(cost.memory).toBeLessThan(3000)
    },
  )

  it('in bins are proven by one of them', async ({ repository, mirror, machine }) => {
    const bins = new Map(repository.delegateToBins(8, 'bin').map((name) => [name, [] as string[]]))
    for (const name of million()) {
      const bin = createHash('sha256').update(name).digest().subarray(0, 1).toString('hex')
      bins.get(`bin-${bin}`)?.push(name)
    }
    for (const [bin, names] of bins) {
      repository.serve(bin, 1, writeTargets(repository, bin, 1, names.sort()))
      repository.snapshot.meta[`${bin}.json`] = { version: 1 }
    }
    repository.publish('targets', 'snapshot', 'timestamp')
    const file = nameOf(7)
    const record = {
      schema: 1,
      name: 'lib',
      version: '1.0.1000007',
      os: 'any',
      arch: 'any',
      file,
      path: machine.root,
    }
    const verify = ['verify', '--trust', machine.root, '--repository', mirror.url]
    const one = await measure(machine, verify, `${JSON.stringify(record)}\n`)
    expectRefused(one.run, 77, /lib-1\.0\.1000007-any-any has \d+ bytes, not 1/)
    expect(one.cost.memory).toBeLessThan(300)
    expect(mirror.requests.filter((path) => path.includes('bin-'))).toHaveLength(1)
  })
})

describe.runIf(onLinux)('delegations', () => {
  it('to four billion bins are not listed, and what is beside them is', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.delegateToBins(1, 'bin')
    const bins = repository.targets.delegations?.succinct_roles
    if (bins) bins.bit_length = 32
    repository.publish('targets', 'snapshot', 'timestamp')
    const { run, cost } = await measure(machine, listing(machine, mirror.url))
    expect(run, run.stderr).toMatchObject({
      status: 76,
      records: [{ file: app }],
      failures: [{ code: 'too-large' }],
    })
    expect(run.stderr).toMatch(/targets delegates to more roles than can be listed/)
    expect(cost.memory).toBeLessThan(300)
    delete repository.targets.delegations
    await expectRecovery(machine, mirror, repository)
  })

  it('of a team to 100,000 roles take only its own with them', async ({ repository, mirror, machine }) => {
    repository.hashed = true
    repository.delegate('targets', { name: 'greedy', paths: ['lib-*'] })
    repository.delegate('targets', { name: 'honest', paths: ['tool-*'] })
    repository.delegate('honest', { name: 'helper', paths: ['tool-*'] })
    const [signer] = repository.signersOf('greedy')
    const role = { keyids: [signer?.id ?? ''], threshold: 1, terminating: false, paths: ['lib-*'] }
    repository.targetsOf('greedy').delegations = {
      keys: {},
      roles: Array.from({ length: 100_000 }, (_, i) => ({ name: `role${i}`, ...role })),
    }
    publish(repository, ['tool-1.0.0-any-any'], 'helper')
    publish(repository, [], 'honest')
    publish(repository, ['lib-1.0.0-any-any'], 'greedy')
    const { run, cost } = await measure(machine, listing(machine, mirror.url))
    expect(run, run.stderr).toMatchObject({ status: 76, failures: [{ code: 'too-large' }] })
    expect(run.records.map(({ file }) => file)).toEqual([app, 'lib-1.0.0-any-any', 'tool-1.0.0-any-any'])
    expect(run.stderr).toMatch(/greedy delegates to more roles than can be listed/)
    expect(cost.memory).toBeLessThan(1000)
  })

  it('of a team whose patterns take too long take only its own with them', async ({
    repository,
    mirror,
    machine,
  }) => {
    repository.hashed = true
    repository.delegate('targets', { name: 'slow', paths: ['lib-*'] })
    repository.delegate('targets', { name: 'honest', paths: ['tool-*'] })
    const names = Array.from({ length: 5000 }, (_, i) => nameOf(i))
    const patterns = Array.from({ length: 20_000 }, () => `*a*1*0*-*y*-*a*n*y${'*1'.repeat(20)}z`)
    repository.delegate('slow', { name: 'other', paths: ['lib-*'] })
    repository.delegate('slow', { name: 'third', paths: patterns })
    const bytes = writeTargets(repository, 'other', 1, names)
    repository.serve('other', 1, bytes)
    repository.snapshot.meta['other.json'] = { version: 1 }
    repository.publish('third')
    publish(repository, ['tool-1.0.0-any-any'], 'honest')
    publish(repository, [], 'slow')
    const { run } = await measure(machine, listing(machine, mirror.url))
    expect(run, run.stderr).toMatchObject({ status: 76, failures: [{ code: 'too-large' }] })
    expect(run.stderr).toMatch(/what slow vouches for is left out: its delegations take too long/)
    expect(run.records.map(({ file }) => file)).toEqual(expect.arrayContaining([app, 'tool-1.0.0-any-any']))
  })

  it('nested as deeply as can be written are refused', async ({ repository, mirror, machine }) => {
    const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`
    const bytes = Buffer.from(`{"signatures":[],"signed":{"_type":"targets","x":${deep}}}`)
    repository.serve('targets', 3, bytes)
    repository.snapshot.meta['targets.json'] = { version: 3 }
    repository.publish('snapshot', 'timestamp')
    expectRefused(await machine.list(mirror.url), 77, /nested too deeply|not JSON/)
    repository.targets.version = 3
    await expectRecovery(machine, mirror, repository)
  })
})
