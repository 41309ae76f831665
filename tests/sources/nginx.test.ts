import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { link, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { from } from '../../src/package/flow.ts'
import { isFailure, type PackageRecord } from '../../src/package/record.ts'
import { fetchPackages } from '../../src/sources/fetch.ts'
import { openTransport } from '../../src/sources/transport/transport.ts'
import { blobPath, partialPath } from '../../src/store/cache.ts'
import { bytes, digest, file, makeDir, makeRepository, oddRole, target } from './folder.ts'

const missing = spawnSync('nginx', ['-v']).error !== undefined

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** nginx as any operator would run it: the folder, and nothing said about gupper. */
async function startNginx(home: string, root: string): Promise<string> {
  const port = await freePort()
  await mkdir(home)
  await writeFile(
    join(home, 'nginx.conf'),
    `daemon off; master_process off; pid ${home}/pid; error_log stderr notice;
     events { worker_connections 64; }
     http { access_log ${home}/access.log; client_body_temp_path ${home};
       proxy_temp_path ${home}; fastcgi_temp_path ${home}; uwsgi_temp_path ${home}; scgi_temp_path ${home};
       server { listen 127.0.0.1:${port}; root ${root}; } }`,
  )
  const child = spawn('nginx', ['-c', join(home, 'nginx.conf'), '-p', home, '-e', 'stderr'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await ended
  })
  const url = `http://127.0.0.1:${port}`
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  await expect
    .poll(
      () =>
        fetch(url).then(
          () => 'listens',
          () => said,
        ),
      { timeout: 10_000, interval: 20 },
    )
    .toBe('listens')
  return url
}

describe.skipIf(missing)('a repository served by nginx (needs nginx)', () => {
  test('its metadata is read, also of a role whose name is percent-encoded', async () => {
    const dir = await makeDir()
    const url = await startNginx(join(dir, 'nginx'), await makeRepository(dir))
    const transport = await openTransport(url, { cwd: dir, env: {} })
    expect(String(await transport.readMetadata('timestamp.json', 100))).toBe('{"version":1}')
    expect(String(await transport.readMetadata(oddRole, 100))).toBe('{"team":1}')
    expect(await transport.readMetadata('2.root.json', 100)).toBeUndefined()
    await expect(transport.readMetadata('1.targets.json', 99_999)).rejects.toMatchObject({
      code: 'too-large',
    })
    expect(await transport.changes?.(AbortSignal.timeout(20_000))).toBeUndefined()
    transport.close?.()
  })

  test('a target with any name is fetched, and what was begun is gone on with', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir)
    const odd = `${digest.slice(7)}.app +%20ü-1.0.0-any-any`
    await link(join(repo, file), join(repo, 'targets', odd))
    const url = await startNginx(join(dir, 'nginx'), repo)
    const transport = await openTransport(url, { cwd: dir, env: {} })
    const cacheDir = join(dir, 'cache')
    const platform = { schema: 1, name: 'app', version: '1.0.0', os: 'any', arch: 'any' } as const
    for (const name of [target, odd]) {
      const record: PackageRecord = {
        ...platform,
        file,
        url: transport.targetUrl(name),
        digest,
        size: bytes.length,
      }
      const partial = partialPath(cacheDir, digest, '')
      await mkdir(join(cacheDir, 'partial'), { recursive: true })
      await writeFile(partial, bytes.subarray(0, 150_000))
      const [item] = await Array.fromAsync(fetchPackages(from([record]), { cacheDir }))
      expect(item && isFailure(item) ? item : undefined).toBeUndefined()
      expect(await readFile(blobPath(cacheDir, digest))).toEqual(bytes)
      await writeFile(blobPath(cacheDir, digest), 'damaged, so that it is fetched again')
    }
    const log = await readFile(join(dir, 'nginx', 'access.log'), 'utf8')
    expect(log.match(/" 206 50000 /g)).toHaveLength(2)
    expect(await readdir(join(cacheDir, 'partial'))).toEqual([])
    expect((await stat(join(repo, 'targets', odd))).size).toBe(bytes.length)
    transport.close?.()
  })
})
