import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, test } from 'vitest'
import { Client } from './client.ts'
import { serve } from './server.ts'
import { Repository } from './simulator.ts'

let shared = ''

/** To be called once in every file of tests: makes what its tests share, and removes it. */
export function shareDirectory(): void {
  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), 'gupper-conformance-'))
  })
  afterAll(async () => {
    await rm(shared, { recursive: true })
  })
}

/** A directory for one test. */
async function makePlace(): Promise<string> {
  const directory = await mkdtemp(join(shared, 'test-'))
  for (const name of ['metadata', 'targets']) await mkdir(join(directory, name))
  return directory
}

/** A client of its own for whatever is served at `url`. */
export async function makeClient(url: string, wasServed: (bytes: Buffer) => boolean): Promise<Client> {
  const directory = await makePlace()
  const compiled = join(shared, 'compiled')
  return new Client({
    directory,
    compiled,
    metadataUrl: `${url}/metadata/`,
    targetUrl: `${url}/targets/`,
    wasServed,
  })
}

/** What is at a path of a repository; the request is noted down. Throws URIError for a path that is none. */
export function look(repository: Repository, path: string): Buffer | undefined {
  const [, folder = '', name = ''] = /^\/(metadata|targets)\/(.*)$/.exec(path) ?? []
  if (folder === 'metadata') {
    repository.metadataRequests.push(name)
    return repository.files.get(decodeURIComponent(name))
  }
  repository.targetRequests.push(folder === 'targets' ? name : path)
  return repository.artifacts.get(decodeURIComponent(name))
}

/** Tests with a repository that is served, and a client that knows nothing yet. */
export const it = test.extend<{ repository: Repository; client: Client }>({
  repository: async ({}, use) => {
    await use(new Repository())
  },
  client: async ({ repository }, use) => {
    const served = new Set<string>()
    const server = await serve((path) => {
      const bytes = look(repository, path)
      if (bytes) served.add(bytes.toString('latin1'))
      return bytes
    })
    await use(await makeClient(server.url, (bytes) => served.has(bytes.toString('latin1'))))
    await server.close()
  },
})

/** The requests of a first refresh that finds version 1 of everything. */
export const firstRequests = ['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json']

/** The root that clients of a repository begin with. */
export function rootOf(repository: Repository): Buffer {
  const bytes = repository.files.get('1.root.json')
  if (!bytes) throw new Error('no root')
  return bytes
}
