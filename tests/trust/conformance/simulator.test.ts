import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Updater } from 'tuf-js'
import { describe, expect, it } from 'vitest'
import { canonical } from './canonical.ts'
import { look } from './fixture.ts'
import { makeSigner, schemes } from './keys.ts'
import { inDays, topRoles, type Listing } from './metadata.ts'
import { serve } from './server.ts'
import { Repository } from './simulator.ts'

// The measure must be right itself.
describe('the simulated repository', () => {
  const signedOf = (repository: Repository, role: string): Listing =>
    (JSON.parse(repository.bytesOf(role).toString()) as { signed: Listing }).signed

  it('begins with version 1 of every top-level role', () => {
    const repository = new Repository()
    for (const role of topRoles) expect(signedOf(repository, role).version).toBe(1)
    expect([...repository.files.keys()].sort()).toEqual([
      '1.root.json',
      '1.snapshot.json',
      '1.targets.json',
      'timestamp.json',
    ])
  })

  it('says lengths and hashes when it is told to', () => {
    const repository = new Repository()
    repository.hashed = true
    repository.publish('targets', 'snapshot', 'timestamp')
    for (const [listing, listed] of [
      ['timestamp', 'snapshot'],
      ['snapshot', 'targets'],
    ] as const) {
      const bytes = repository.bytesOf(listed)
      expect(signedOf(repository, listing).meta[`${listed}.json`]).toEqual({
        version: 2,
        length: bytes.length,
        hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
      })
    }
  })

  it('publishes the day that its draft says', () => {
    const repository = new Repository()
    repository.timestamp.expires = inDays(-5)
    repository.publish('timestamp')
    expect(signedOf(repository, 'timestamp')).toMatchObject({
      version: 2,
      expires: repository.timestamp.expires,
    })
  })

  it('writes canonical JSON', () => {
    expect(canonical({ b: [1, true, null], a: '"\\\n', ä: {}, Z: -0 })).toBe(
      '{"Z":0,"a":"\\"\\\\\n","b":[1,true,null],"ä":{}}',
    )
    expect(() => canonical(1.5)).toThrow('no canonical form')
  })

  // tuf-js does not know rsa-pkcs1v15-sha256.
  it.each(schemes.slice(0, 3))('is believed by another client of TUF, with keys of %s', async (scheme) => {
    const directory = await mkdtemp(join(tmpdir(), 'gupper-conformance-'))
    const repository = new Repository()
    const server = await serve((path) => look(repository, path))
    try {
      for (const role of topRoles) {
        repository.root.roles[role].threshold = 2
        repository.addKey(role, makeSigner(scheme))
      }
      repository.delegate('targets', { name: 'A', paths: ['dir/*'] })
      repository.addArtifact('A', 'dir/file', 'content')
      repository.publish('root', 'A', 'targets', 'snapshot', 'timestamp')
      await writeFile(join(directory, 'root.json'), repository.files.get('1.root.json') ?? '')
      const updater = new Updater({
        metadataDir: directory,
        metadataBaseUrl: `${server.url}/metadata`,
        targetDir: directory,
        targetBaseUrl: `${server.url}/targets`,
      })
      await updater.refresh()
      const target = await updater.getTargetInfo('dir/file')
      expect(target?.length).toBe(7)
      expect(repository.metadataRequests).toContain('3.root.json')
    } finally {
      await server.close()
      await rm(directory, { recursive: true })
    }
  })
})
