import { execFileSync } from 'node:child_process'
import { mkdir, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/net/limits.ts'
import { startServer } from '../../src/server/server.ts'
import { openTransport, type Transport } from '../../src/sources/transport/transport.ts'
import { file, makeDir, makeRepository, makeTar, oddRole, target } from './folder.ts'

const limits: Partial<Limits> = { tries: 2, backoff: 1, rate: 500, rateWindow: 300 }

async function openHere(address: string, more: Partial<Limits> = {}): Promise<Transport> {
  const transport = await openTransport(address, { cwd: '/', env: {}, limits: { ...limits, ...more } })
  onTestFinished(() => transport.close?.())
  return transport
}

async function serveRaw(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const kinds: [string, (repo: string, dir: string) => Promise<string>][] = [
  [
    'a server',
    async (repo) => {
      const server = await startServer({ dir: repo, port: 0, host: '127.0.0.1', settleMs: 50 })
      onTestFinished(() => server.close(0))
      return server.url
    },
  ],
  ['a directory', (repo) => Promise.resolve(repo)],
  ['a file: address', (repo) => Promise.resolve(pathToFileURL(repo).href)],
  ['a tar of its folder', (_repo, dir) => Promise.resolve(makeTar(join(dir, 'x.tar'), '-C', dir, 'repo'))],
  ['a tar of what is in it', (repo, dir) => Promise.resolve(makeTar(join(dir, 'x.tar'), '-C', repo, '.'))],
  [
    'a tar packed by gzip',
    (repo, dir) => Promise.resolve(makeTar(join(dir, 'x.tgz'), '-z', '-C', repo, '.')),
  ],
  [
    'a tar of its path from the root',
    (repo, dir) => Promise.resolve(makeTar(join(dir, 'x.tar'), '-C', '/', repo.slice(1))),
  ],
]

describe.each(kinds)('from %s', (_kind, make) => {
  test('metadata is read whole, within its limit, and what is not there is undefined', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir)
    const transport = await openHere(await make(repo, dir))
    expect(String(await transport.readMetadata('timestamp.json', 13))).toBe('{"version":1}')
    expect(String(await transport.readMetadata(oddRole, 1000))).toBe('{"team":1}')
    expect(await transport.readMetadata('1.targets.json', 100_000)).toHaveLength(100_000)
    expect(await transport.readMetadata('2.root.json', 1000)).toBeUndefined()
    await expect(transport.readMetadata('timestamp.json', 12)).rejects.toMatchObject({
      code: 'too-large',
      exit: 76,
    })
  })

  test('no name leads out of metadata/', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir)
    const transport = await openHere(await make(repo, dir))
    const out = [`../${file}`, '..', '.', '', '/etc/passwd', `..\\${file}`, 'timestamp.json\0', '%2e%2e']
    for (const name of out) expect(await transport.readMetadata(name, 1e6)).toBeUndefined()
    for (const name of [`%2e%2e%2f${file}`, `..%2f${file}`, `../targets/${target}`])
      expect(await transport.readMetadata(name, 1e6)).toBeUndefined()
    for (const path of ['../x', 'a/../../x', '/x', '..', 'a\0b', 'a//b', ''])
      expect(() => transport.targetUrl(path)).toThrow(/no path of a file below targets/)
  })
})

describe('the address of a target', () => {
  test('is encoded for its kind', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir, 're po#1')
    const tar = makeTar(join(dir, 'x y.tar'), '-C', repo, '.')
    const odd = `team/${'a'.repeat(64)}.x %y`
    expect((await openHere(repo)).targetUrl(odd)).toBe(pathToFileURL(join(repo, 'targets', odd)).href)
    expect((await openHere(tar)).targetUrl(odd)).toBe(
      `${pathToFileURL(tar).href}#targets/${odd.replace('%', '%25').replace(' ', '%20')}`,
    )
    const http = await openHere('http://u:p@127.0.0.1:1/sub/')
    expect(http.targetUrl(odd)).toBe(
      `http://127.0.0.1:1/sub/targets/${odd.replace('%', '%25').replace(' ', '%20')}`,
    )
    expect(http.url).toBe('http://127.0.0.1:1/sub')
  })
})

describe('over HTTP', () => {
  test('404 and 403 are "not there", everything else is a failure of its kind', async () => {
    const url = await serveRaw((request, response) => {
      response.writeHead(Number(/(\d+)\.json$/.exec(request.url ?? '')?.[1] ?? 500)).end()
    })
    const transport = await openHere(url)
    expect(await transport.readMetadata('404.json', 100)).toBeUndefined()
    expect(await transport.readMetadata('403.json', 100)).toBeUndefined()
    await expect(transport.readMetadata('401.json', 100)).rejects.toMatchObject({ code: 'denied' })
    await expect(transport.readMetadata('500.json', 100)).rejects.toMatchObject({ code: 'unreachable' })
    await expect(transport.readMetadata('418.json', 100)).rejects.toMatchObject({ code: 'protocol' })
  })

  test('endless data ends at the limit', async () => {
    const url = await serveRaw((_request, response) => {
      response.writeHead(200)
      const more = (error?: Error | null): void => {
        if (!error) response.write(Buffer.alloc(65536), more)
      }
      more()
    })
    const reading = (await openHere(url)).readMetadata('timestamp.json', 1e6)
    await expect(reading).rejects.toMatchObject({ code: 'too-large', exit: 76 })
  })

  test('a mirror that drips is given up, a slow honest one is waited for', async () => {
    const drip = (pace: number, length: number): RequestListener => {
      return (_request, response) => {
        response.writeHead(200, { 'content-length': 400 })
        let sent = 0
        const timer = setInterval(() => {
          response.write('x'.repeat(length))
          sent += length
          if (sent >= 400) clearInterval(timer)
        }, pace)
        response.on('close', () => clearInterval(timer))
      }
    }
    const dripping = await openHere(await serveRaw(drip(10, 1)), { tries: 1 })
    await expect(dripping.readMetadata('timestamp.json', 1000)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(/sends less than 500 bytes a second/) as string,
    })
    const slow = await openHere(await serveRaw(drip(10, 20)))
    expect(await slow.readMetadata('timestamp.json', 1000)).toHaveLength(400)
  })

  test('a name that is percent-encoded is asked for as a file of that name, then as it stands', async () => {
    const asked: string[] = []
    const url = await serveRaw((request, response) => {
      asked.push(request.url ?? '')
      if (request.url?.includes('%25')) response.writeHead(404)
      response.end('{}')
    })
    expect(String(await (await openHere(url)).readMetadata('1.a%2Fb.json', 100))).toBe('{}')
    expect(asked).toEqual(['/metadata/1.a%252Fb.json', '/metadata/1.a%2Fb.json'])
  })
})

describe('from a directory', () => {
  test('a link is not followed, a pipe is not waited for, and both say so', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir)
    await writeFile(join(dir, 'secret'), 'secret')
    await symlink('../../secret', join(repo, 'metadata', '2.root.json'))
    execFileSync('mkfifo', [join(repo, 'metadata', '3.root.json')])
    await mkdir(join(repo, 'metadata', '4.root.json'))
    const transport = await openHere(repo)
    for (const n of [2, 3, 4])
      await expect(transport.readMetadata(`${n}.root.json`, 100)).rejects.toMatchObject({
        code: 'cannot-read',
        exit: 69,
      })
  })

  test('a new timestamp is told', async () => {
    const dir = await makeDir()
    const repo = await makeRepository(dir)
    const transport = await openHere(repo)
    const changes = await transport.changes?.(AbortSignal.timeout(20_000))
    const iterator = changes?.[Symbol.asyncIterator]()
    const next = iterator?.next()
    await writeFile(join(repo, 'metadata', 'new'), '{"version":2}')
    await rename(join(repo, 'metadata', 'new'), join(repo, 'metadata', 'timestamp.json'))
    expect((await next)?.done).toBe(false)
    await iterator?.return?.()
  })
})

test('a server pushes when its timestamp was replaced', async () => {
  const dir = await makeDir()
  const repo = await makeRepository(dir)
  const server = await startServer({ dir: repo, port: 0, host: '127.0.0.1', settleMs: 50 })
  onTestFinished(() => server.close(0))
  await server.ready
  const transport = await openHere(server.url)
  const stop = new AbortController()
  const changes = await transport.changes?.(stop.signal)
  const iterator = changes?.[Symbol.asyncIterator]()
  const next = iterator?.next()
  await writeFile(join(repo, 'metadata', 'new'), '{"version":2}')
  await rename(join(repo, 'metadata', 'new'), join(repo, 'metadata', 'timestamp.json'))
  expect((await next)?.done).toBe(false)
  expect(String(await transport.readMetadata('timestamp.json', 100))).toBe('{"version":2}')
  await iterator?.return?.()
  stop.abort()
})
