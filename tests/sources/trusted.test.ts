// What a signed repository is asked for, and what becomes of its targets; attacks on it are in tests/attacks.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { orThrow } from '../../src/package/flow.ts'
import type { Filter } from '../../src/package/filter.ts'
import type { PackageRecord } from '../../src/package/record.ts'
import { openTrust, type Trust } from '../../src/sources/trust.ts'
import { createTrustedSource } from '../../src/sources/trusted.ts'
import { list } from '../../src/sources/list.ts'
import { makeWorld, publishFiles, writePackage, type World } from '../repository/tools.ts'

/** Serves a directory as any static server would, and notes what is asked for. */
async function serve(dir: string): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url ?? '/')
    asked.push(path.basename(name))
    readFile(path.join(dir, name)).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

async function trusting({ dir, repo }: World): Promise<Trust> {
  const root = path.join(repo, 'metadata', '1.root.json')
  const trust = await openTrust({ root, home: path.join(dir, 'state'), cwd: dir, env: {} })
  onTestFinished(() => {
    trust.close()
  })
  return trust
}

async function look(world: World, url: string, filter: Filter = {}): Promise<PackageRecord[]> {
  const found: PackageRecord[] = []
  const options = { cwd: world.dir, env: {}, filter, trust: await trusting(world) }
  for await (const record of orThrow(list([url], options))) found.push(record)
  return found
}

const any: Filter = { os: 'linux', arch: 'amd64' }

it('asks for the timestamp alone where nothing is new', async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, 'app-1.0.0-any-any')])
  const { url, asked } = await serve(world.repo)
  const first = await look(world, url, any)
  expect(asked).toEqual(['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'])
  asked.length = 0
  expect(await look(world, url, any)).toEqual(first)
  expect(asked).toEqual(['timestamp.json'])
})

it('asks for one bin of many where one package is new', { timeout: 60_000 }, async () => {
  const world = await makeWorld()
  const files: string[] = []
  for (let i = 0; i < 600; i++) files.push(await writePackage(world.dir, `app-1.0.${i}-any-any`))
  await publishFiles(world, files)
  const { url, asked } = await serve(world.repo)
  expect((await look(world, url, { ...any, all: true })).length).toBe(600)
  asked.length = 0
  await publishFiles(world, [await writePackage(world.dir, 'app-2.0.0-any-any')])
  expect((await look(world, url, any))[0]?.version).toBe('2.0.0')
  // The first is asked for to see that it is not the known one; its bin is the only role that is new.
  expect(asked.map((name) => name.replace(/bin-[0-9a-f]{2}/, 'bin'))).toEqual([
    'timestamp.json',
    '2.root.json',
    'timestamp.json',
    '3.snapshot.json',
    '2.bin.json',
  ])
})

it('says nothing again to who asks twice, until something changes', async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, 'app-1.0.0-any-any')])
  const source = await createTrustedSource([world.repo], await trusting(world), { cwd: world.dir, env: {} })
  expect([...((await source.read(any)) ?? [])].map(({ version }) => version)).toEqual(['1.0.0'])
  expect(await source.read(any)).toBeUndefined()
  expect([...((await source.read({ ...any, newerThan: '1.0.0' })) ?? [])]).toEqual([])
  await publishFiles(world, [await writePackage(world.dir, 'app-1.1.0-any-any')])
  expect([...((await source.read(any)) ?? [])].map(({ version }) => version)).toEqual(['1.1.0'])
  source.close?.()
})

it('gives the mirrors of each package, and takes the next where the first is away', async () => {
  const world = await makeWorld()
  await publishFiles(world, [await writePackage(world.dir, 'app-1.0.0-any-any')])
  const { url } = await serve(world.repo)
  const trust = await trusting(world)
  const away = 'http://127.0.0.1:9'
  const options = { cwd: world.dir, env: {}, filter: any, trust }
  const [record] = await Array.fromAsync(orThrow(list([away, url], options)))
  expect(record?.source).toBe(url)
  expect(record?.url).toMatch(/^http.*\/targets\/[0-9a-f]{64}\.app-1\.0\.0-any-any$/)
  expect(record?.mirrors).toEqual([record?.url?.replace(url, away)])
})

it('lists what the publisher said of a package, and what proves it', async () => {
  const world = await makeWorld()
  const file = await writePackage(world.dir, 'app-1.0.0-any-any')
  await publishFiles(world, [file], { release: { channel: 'beta', notes: 'a word', critical: true } })
  const [record] = await look(world, world.repo, { ...any, channel: 'beta' })
  expect(record).toMatchObject({ channel: 'beta', notes: 'a word', critical: true, size: 31 })
  expect(record?.proofs).toEqual([
    { by: 'tuf', role: 'targets', version: 2, expires: expect.stringMatching(/Z$/) as string },
  ])
})
