// A client of another house, tuf-js, takes what gupper publishes.
import { createServer } from 'node:http'
import { copyFile, mkdir, readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { Updater } from 'tuf-js'
import { mostInOneFile } from '../../src/repository/roles/bins.ts'
import { keyTypes } from '../../src/repository/keys/key-file.ts'
import { refresh } from '../../src/repository/refresh.ts'
import { checkRepository, makeWorld, publishFiles, writePackage, type World } from './tools.ts'

async function serve(dir: string): Promise<string> {
  const server = createServer((request, response) => {
    const file = path.join(dir, decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname))
    readFile(file).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A client that trusts the first root, and keeps what it has seen in a directory. */
async function createClient({ dir, repo }: World, url: string): Promise<() => Updater> {
  const metadataDir = path.join(dir, 'client')
  const targetDir = path.join(dir, 'downloads')
  await mkdir(metadataDir)
  await mkdir(targetDir)
  await copyFile(path.join(repo, 'metadata/1.root.json'), path.join(metadataDir, 'root.json'))
  return () =>
    new Updater({
      metadataDir,
      targetDir,
      metadataBaseUrl: `${url}/metadata`,
      targetBaseUrl: `${url}/targets`,
      config: { fetchRetry: 0 },
    })
}

async function download(client: Updater, file: string): Promise<string | undefined> {
  await client.refresh()
  const info = await client.getTargetInfo(file)
  return info && readFile(await client.downloadTarget(info), 'utf8')
}

it.each(keyTypes)('tuf-js downloads what was published with %s keys, and follows', async (type) => {
  const world = await makeWorld({ type })
  const client = await createClient(world, await serve(world.repo))
  const notes = 'first "line"\nsecond \\ line, with ä and 😀'
  const first = await writePackage(world.dir, 'app-1.0.0-linux-amd64')
  await publishFiles(world, [first], { release: { notes } })
  expect(await download(client(), 'app-1.0.0-linux-amd64')).toBe('the bytes of app-1.0.0-linux-amd64\n')
  const info = await client().getTargetInfo('app-1.0.0-linux-amd64')
  expect(info?.custom).toMatchObject({ schema: 1, name: 'app', version: '1.0.0', notes })

  await publishFiles(world, [await writePackage(world.dir, 'app-1.1.0-linux-amd64')])
  await refresh(world.repo, { keyring: world.keyring })
  expect(await download(client(), 'app-1.1.0-linux-amd64')).toBe('the bytes of app-1.1.0-linux-amd64\n')
  expect(await download(client(), 'app-1.2.0-linux-amd64')).toBeUndefined()
})

it(
  'tuf-js finds its way through hash bins, before and after they are needed',
  { timeout: 60_000 },
  async () => {
    const world = await makeWorld()
    const client = await createClient(world, await serve(world.repo))
    const names = Array.from({ length: mostInOneFile + 1 }, (_, i) => `app-1.${i}.0-linux-amd64`)
    const files = await Promise.all(names.map((name) => writePackage(world.dir, name)))
    await publishFiles(world, files.slice(0, -1))
    expect(await download(client(), 'app-1.7.0-linux-amd64')).toContain('app-1.7.0')
    await publishFiles(world, files.slice(-1))
    expect(await download(client(), 'app-1.7.0-linux-amd64')).toContain('app-1.7.0')
    expect(await download(client(), names.at(-1) ?? '')).toContain(names.at(-1))
    expect(await download(client(), 'other-1.0.0-linux-amd64')).toBeUndefined()
    expect(await checkRepository(world.repo)).toHaveLength(mostInOneFile + 1)
  },
)
