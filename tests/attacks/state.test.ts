import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect } from 'vitest'
import type { Repository } from '../trust/conformance/simulator.ts'
import { unprivileged } from '../unprivileged.ts'
import { expectListed, expectRefused, it, publish, type Machine, type Mirror } from './hostile.ts'

const app = 'app-1.0.0-any-any'
const roles = ['root', 'timestamp', 'snapshot', 'targets', 'team'] as const

/** Has a machine know a repository with a team. */
async function know(machine: Machine, mirror: Mirror, repository: Repository): Promise<string> {
  repository.delegate('targets', { name: 'team', paths: ['tool-*'] })
  publish(repository, ['tool-1.0.0-any-any'], 'team')
  expectListed(await machine.list(mirror.url), [app, 'tool-1.0.0-any-any'])
  return (await machine.places()).directory
}

describe('a trusted file', () => {
  const damages: Record<string, (file: string) => Promise<void>> = {
    truncated: (file) => truncate(file, 200),
    empty: (file) => truncate(file, 0),
    gone: (file) => rm(file),
    'of zeros': async (file) => writeFile(file, Buffer.alloc((await readFile(file)).length)),
    'of another role': async (file) => {
      const other = file.endsWith('snapshot.json') ? 'timestamp.json' : 'snapshot.json'
      await writeFile(file, await readFile(join(file, '..', other)))
    },
    'changed by a letter': async (file) =>
      writeFile(
        file,
        (await readFile(file, 'utf8')).replace('"spec_version": "1.0.34"', '"spec_version": "1.0.35"'),
      ),
  }
  for (const [kind, damage] of Object.entries(damages))
    it(`that is ${kind} is asked for anew, and proves nothing meanwhile`, async ({
      repository,
      mirror,
      machine,
    }) => {
      const directory = await know(machine, mirror, repository)
      const good = await machine.trusted()
      for (const role of roles) {
        await damage(join(directory, `${role}.json`))
        mirror.sin = (_request, response) => {
          response.writeHead(503, { 'retry-after': '0' }).end()
          return true
        }
        const file = join(machine.home, app)
        await writeFile(file, 'evil')
        const run = await machine.run(['verify', '--trust', machine.root, file])
        expect(run.records, run.stderr).toEqual([])
        expect([69, 77], run.stderr).toContain(run.status)
        mirror.sin = undefined
        expectListed(await machine.list(mirror.url), [app, 'tool-1.0.0-any-any'])
        expect(await machine.trusted()).toEqual(good)
      }
      publish(repository, ['next-1.0.0-any-any'])
      expectListed(await machine.list(mirror.url), [app, 'next-1.0.0-any-any', 'tool-1.0.0-any-any'])
    })

  it('that is a directory is named, and nothing is believed', async ({ repository, mirror, machine }) => {
    const directory = await know(machine, mirror, repository)
    for (const place of [
      ...roles.map((role) => join(directory, `${role}.json`)),
      (await machine.places()).marks,
    ]) {
      const bytes = await readFile(place)
      await rm(place)
      await mkdir(place)
      const run = await machine.list([mirror.url, mirror.url])
      if (place.endsWith('team.json')) expect(run.records).toMatchObject([{ file: app }])
      else expect(run.records).toEqual([])
      expect(run.status).toBe(69)
      expect(run.stderr).toContain(`cannot read ${place}: it is a directory`)
      expect(run.stderr).toContain('move the directory away')
      await rm(place, { recursive: true })
      await writeFile(place, bytes)
      expectListed(await machine.list(mirror.url), [app, 'tool-1.0.0-any-any'])
    }
  })
})

describe('state that cannot be kept', () => {
  it('in a directory that is read-only: 73, and nothing is listed', async ({
    repository,
    mirror,
    machine,
  }) => {
    const directory = await know(machine, mirror, repository)
    const good = await machine.trusted()
    publish(repository, ['next-1.0.0-any-any'])
    const places = [directory, join(directory, '..')]
    for (const place of places) await chmod(place, 0o500)
    await unprivileged(machine.home, async () => {
      expectRefused(await machine.list(mirror.url), 73, /permission denied|cannot lock/)
    })
    expect(await machine.trusted()).toEqual(good)
    for (const place of places) await chmod(place, 0o700)
    await unprivileged(machine.home, async () => {
      expect(await machine.list(mirror.url)).toMatchObject({ status: 0 })
    })
  })

  it('on a full disk: 73, and nothing is listed', async ({ repository, mirror, machine, skip }) => {
    await know(machine, mirror, repository)
    const small = machine.state
    await rm(small, { recursive: true })
    await mkdir(small)
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', small]).status === 0
    if (!mounted) skip('needs the right to mount a small file system')
    try {
      expectListed(await machine.list(mirror.url), [app, 'tool-1.0.0-any-any'])
      const good = await machine.trusted()
      publish(repository, ['next-1.0.0-any-any'])
      const filler = join(small, 'filler')
      await expect(writeFile(filler, Buffer.alloc(2 ** 20))).rejects.toThrow('ENOSPC')
      expectRefused(await machine.list(mirror.url), 73, /no space left on the device/)
      expect(spawnSync('ls', [join(small, 'trust')]).status).toBe(0)
      await rm(filler)
      expect(await machine.list(mirror.url)).toMatchObject({ status: 0 })
      expect((await machine.trusted()).timestamp).toBe((good.timestamp ?? 0) + 1)
    } finally {
      execFileSync('umount', [small])
    }
  })

  it('since files may not grow: 73, and nothing is listed', async ({ repository, mirror, machine }) => {
    await know(machine, mirror, repository)
    const good = await machine.trusted()
    publish(repository, ['next-1.0.0-any-any'])
    const through = ['sh', '-c', 'ulimit -f 0; exec "$@"', 'sh']
    expectRefused(await machine.list(mirror.url, { through }), 73, /too large for this file system/)
    expect(await readdir((await machine.places()).directory)).toHaveLength(Object.keys(good).length)
    expect(await machine.list(mirror.url)).toMatchObject({ status: 0 })
    expect((await machine.trusted()).timestamp).toBe((good.timestamp ?? 0) + 1)
  })
})

/** The versions in the trusted directory at any moment, also in the middle of a change. */
async function versionsIn(directory: string): Promise<Map<string, number>> {
  const versions = new Map<string, number>()
  for (const name of await readdir(directory).catch(() => [])) {
    const { signed } = JSON.parse(await readFile(join(directory, name), 'utf8')) as {
      signed: { version: number }
    }
    versions.set(name, signed.version)
  }
  return versions
}

function expectNotLower(now: Map<string, number>, before: Map<string, number>): void {
  for (const [name, version] of before) expect(now.get(name) ?? 0, name).toBeGreaterThanOrEqual(version)
}

describe('many runs', () => {
  it('that are killed at any instant leave a good state', async ({ repository, mirror, machine }) => {
    await know(machine, mirror, repository)
    const { directory } = await machine.places()
    publish(repository, ['app-1.1.0-any-any'])
    mirror.requests.length = 0
    await machine.list(mirror.url)
    const usual = mirror.requests.length
    expect(usual).toBeGreaterThan(2)
    let before = await versionsIn(directory)
    for (let i = 0; i < 30; i++) {
      publish(repository, [`app-1.${i + 2}.0-any-any`])
      if (i % 5 === 0) repository.publish('root', 'timestamp')
      // Half of them wait in vain for an answer, the others are killed some moment after it.
      const asked = mirror.hear(1 + (i % usual), i % 2 === 0)
      const kill = i % 2 === 0 ? asked : asked.then(() => setTimeout(Math.random() * 30))
      const run = await machine.list(mirror.url, { kill })
      if (i % 2 === 0) expect(run.signal).toBe('SIGKILL')
      mirror.sin = undefined
      const now = await versionsIn(directory)
      expectNotLower(now, before)
      before = now
      expect((await readdir(join(directory, '..'))).length).toBeLessThanOrEqual(4)
    }
    expectListed(
      await machine.list(mirror.url),
      Object.keys({ ...repository.targets.targets, 'tool-1.0.0-any-any': 0 }),
    )
    // Holds also that nothing was left behind.
    expect(await machine.trusted()).toMatchObject({
      root: repository.root.version,
      timestamp: repository.timestamp.version,
      snapshot: repository.snapshot.version,
    })
  })

  it('at once share one state', async ({ repository, mirror, machine }) => {
    await know(machine, mirror, repository)
    const { directory } = await machine.places()
    const before = await versionsIn(directory)
    publish(repository, ['app-2.0.0-any-any'])
    const runs = Array.from({ length: 20 }, async (_, i) => {
      if (i % 4 === 3) publish(repository, [`app-3.${i}.0-any-any`])
      if (i === 10) repository.publish('root', 'timestamp')
      return machine.list(mirror.url)
    })
    for (const run of await Promise.all(runs)) {
      expect(run, run.stderr).toMatchObject({ status: 0, failures: [] })
      expect(run.records.length).toBeGreaterThanOrEqual(3)
    }
    expectNotLower(await versionsIn(directory), before)
    expect(await machine.trusted()).toMatchObject({
      root: repository.root.version,
      timestamp: repository.timestamp.version,
    })
  })
})
