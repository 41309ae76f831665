import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { startServer } from '../../src/server/server.ts'
import { ask, askRaw, makeDir, makePackages, start, until } from './tools.ts'

const name = 'app-1.0.0-linux-amd64'

describe('the server', () => {
  it('knows its routes and methods', async () => {
    const server = await start(await makePackages({ [name]: 'x' }))
    expect((await ask(`${server.url}/healthz`)).text).toBe('ok\n')
    expect((await ask(`${server.url}/nothing`)).status).toBe(404)
    for (const target of ['/list', `/download/${name}`, '/events', '/', '/metrics', '/healthz']) {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        const { status, headers } = await ask(server.url, { method, path: target, body: 'x'.repeat(100_000) })
        expect([target, method, status, headers.allow]).toEqual([target, method, 405, 'GET, HEAD'])
      }
    }
    expect((await ask(server.url, { path: '*', method: 'OPTIONS' })).status).toBeGreaterThanOrEqual(400)
  })

  it('answers several requests of one connection, also when they come at once', async () => {
    const server = await start(
      await makePackages({ [name]: 'content', 'app-2.0.0-linux-amd64': 'y'.repeat(100_000) }),
    )
    const answer = await askRaw(
      server.port,
      [name, 'app-2.0.0-linux-amd64', 'none', name]
        .map(
          (file, i) =>
            `GET /download/${file} HTTP/1.1\r\nHost: x\r\n${i === 3 ? 'Connection: close\r\n' : ''}\r\n`,
        )
        .join(''),
    )
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual([
      'HTTP/1.1 200',
      'HTTP/1.1 200',
      'HTTP/1.1 404',
      'HTTP/1.1 200',
    ])
    expect(answer.match(/y+/g)?.some((text) => text.length === 100_000)).toBe(true)
  })

  it('sends nonsense away and goes on', async () => {
    const server = await start(await makePackages({ [name]: 'x' }))
    for (const nonsense of [
      '\r\n\r\n\r\nrubbish\r\n\r\n',
      'GET /list HTTP/9.9\r\n\r\n',
      '\x16\x03\x01\x00\x00',
      'GET /list HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n',
    ])
      expect(await askRaw(server.port, nonsense)).toContain('400 Bad Request')
    expect(
      await askRaw(server.port, `GET /list HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(20_000)}\r\n\r\n`),
    ).toContain('431')
    expect((await ask(`${server.url}/list`)).status).toBe(200)
  })

  it('counts what it does, for Prometheus', async () => {
    const server = await start(await makePackages({ [name]: 'twelve bytes' }))
    await ask(`${server.url}/download/${name}`)
    await ask(`${server.url}/download/none`)
    await ask(`${server.url}/list`)
    const { text, headers } = await ask(`${server.url}/metrics`)
    expect(headers['content-type']).toContain('text/plain')
    for (const line of [
      'gupper_requests_total{route="download",status="200"} 1',
      'gupper_requests_total{route="download",status="404"} 1',
      'gupper_requests_total{route="list",status="200"} 1',
      'gupper_packages 1',
      'gupper_downloads_in_flight 0',
      'gupper_event_clients 0',
    ])
      expect(text).toContain(`\n${line}\n`)
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m)
    const again = (await ask(`${server.url}/metrics`)).text
    expect(again).toContain('gupper_requests_total{route="download",status="200"} 1\n')
    expect(again).toContain('gupper_requests_total{route="metrics",status="200"} 1\n')
  })

  it('writes an access log of whole lines in which nobody can forge one', async () => {
    let log = ''
    const sink = (lines: string): boolean => ((log += lines), true)
    const server = await start(await makePackages({ [name]: 'x' }), { accessLog: { sink, format: 'text' } })
    await ask(`${server.url}/list`)
    await askRaw(server.port, 'GET /d\xfcrch"\x80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    await ask(`${server.url}/download/${name}`)
    await server.close()
    expect(log).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ GET \/list 200 26 \d+\.\dms from 127\.0\.0\.1:\d+\n/,
    )
    expect(log).toMatch(new RegExp(`Z GET /download/${name} 200 1 \\d+\\.\\dms from 127`))
    expect(log).toMatch(/^[\x20-\x7e\n]*$/)
  })

  it('writes it as JSON where that is asked for', async () => {
    let log = ''
    const sink = (lines: string): boolean => ((log += lines), true)
    const server = await start(await makePackages({}), { accessLog: { sink, format: 'json' } })
    await ask(`${server.url}/list?a="`, {})
    await server.close()
    expect(JSON.parse(log)).toMatchObject({ method: 'GET', url: '/list?a=%22', status: 200, bytes: 3 })
  })

  it('has a page for people on which everything is escaped, and that allows nothing', async () => {
    const evil = '<img src=x onerror=alert(1)>&"\'-1.0.0-linux-amd64'
    const server = await start(
      await makePackages({ [evil]: 'x', [name]: 'y', 'app-0.9.0-linux-amd64': 'z', '<b>SUMS': 's' }),
    )
    const { text, headers } = await ask(`${server.url}/`)
    expect(headers['content-type']).toBe('text/html; charset=utf-8')
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'/,
    )
    expect(text).not.toMatch(/<img|<b>|<script/)
    expect(text).toContain('&#60;img src=x onerror=alert(1)&#62;')
    expect(text).toContain(`gupper update ${server.url} --name app --to ./app`)
    expect(text).toContain(`href="${server.url}/download/${name}"`)
    expect(text).toContain('1 older package')
    expect((await ask(`${server.url}/`, { headers: { host: '"><script>' } })).status).toBe(400)
    expect((await ask(`${(await start(await makePackages({}))).url}/`)).text).toContain('Nothing here yet')
  })

  it('lets a download finish when it stops, and takes no one new', async () => {
    const size = 32 << 20
    const server = await start(await makePackages({ [name]: Buffer.alloc(size, 'x') }))
    const idle = connect(server.port, '127.0.0.1')
    idle.on('error', () => undefined)
    await once(idle, 'connect')
    const socket = connect(server.port, '127.0.0.1')
    socket.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    let received = ((await once(socket, 'data')) as [Buffer])[0].length
    socket.pause()
    const closed = server.close(20_000)
    await expect(ask(`${server.url}/list`)).rejects.toThrow('ECONNREFUSED')
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.resume()
    await once(socket, 'end')
    socket.end()
    await closed
    expect(received).toBeGreaterThan(size)
    idle.destroy()
  })

  it('cuts what is left when the time to drain is over', async () => {
    const server = await start(await makePackages({ [name]: Buffer.alloc(32 << 20, 'x') }))
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(socket, 'data')
    socket.pause()
    await server.close(100)
    let received = 0
    socket.on('data', (chunk) => (received += chunk.length)).resume()
    await once(socket, 'close')
    expect(received).toBeLessThan(32 << 20)
  })

  it('asks the clients of a connection to leave while it drains', async () => {
    const server = await start(await makePackages({ [name]: Buffer.alloc(32 << 20, 'x') }))
    const download = connect(server.port, '127.0.0.1')
    download.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await once(download, 'data')
    download.pause()
    const other = connect(server.port, '127.0.0.1')
    let text = ''
    other.on('data', (chunk: Buffer) => (text += chunk.toString()))
    other.write('GET /list HTTP/1.1\r\nHost: x\r\n')
    await until('the connection to be known', async () => (await ask(`${server.url}/healthz`)).status === 200)
    const closed = server.close(20_000)
    other.write('\r\n')
    await until('the answer', () => text.includes('app-1.0.0'))
    expect(text).toContain('Connection: close')
    download.resume()
    await closed
    other.destroy()
    download.destroy()
  })

  it.each<[string, () => Promise<Parameters<typeof startServer>[0]>, string, RegExp]>([
    [
      'a directory that is missing',
      () => Promise.resolve({ dir: '/nowhere/at/all' }),
      'cannot-read',
      /cannot serve \/nowhere\/at\/all: no such file/,
    ],
    [
      'a file for a directory',
      async () => ({ dir: path.join(await makePackages({ x: '' }), 'x') }),
      'cannot-read',
      /it is not a directory/,
    ],
    [
      'a host that is not this machine',
      async () => ({ dir: await makeDir(), host: '192.0.2.1' }),
      'unreachable',
      /no such address/,
    ],
    [
      'a public URL that is none',
      async () => ({ dir: await makeDir(), publicUrl: 'ftp://x/' }),
      'usage',
      /--public-url/,
    ],
    [
      'a certificate that is missing',
      async () => ({ dir: await makeDir(), tls: { cert: '/nowhere', key: '/nowhere' } }),
      'cannot-read',
      /certificate \/nowhere/,
    ],
    [
      'a certificate that is none',
      async () => {
        const dir = await makePackages({ cert: 'x' })
        return { dir, tls: { cert: path.join(dir, 'cert'), key: path.join(dir, 'cert') } }
      },
      'config',
      /no certificate and its key/,
    ],
  ])('complains clearly about %s', async (_, options, code, message) => {
    const failure: unknown = await startServer({ port: 0, host: '127.0.0.1', ...(await options()) }).catch(
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(GupperError)
    expect((failure as GupperError).code).toBe(code)
    expect((failure as GupperError).message).toMatch(message)
  })

  it('complains clearly about a port that is taken', async () => {
    const dir = await makePackages({})
    const { port } = await start(dir)
    await expect(startServer({ dir, port, host: '127.0.0.1' })).rejects.toMatchObject({
      code: 'unreachable',
      message: `cannot listen on port ${port} of 127.0.0.1: it is taken`,
    })
  })

  it('sends requests away with a time to come again when the first index takes too long', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const server = await startServer({ dir, port: 0, host: '127.0.0.1', settleMs: 60_000, startMs: 30 })
    try {
      const { status, headers } = await ask(`${server.url}/list`)
      expect([status, headers['retry-after']]).toEqual([503, '5'])
    } finally {
      await server.close(0)
    }
  })

  it('has a directory of directories and nothing to serve', async () => {
    const dir = await makePackages({})
    await mkdir(path.join(dir, 'inner-1.0.0-linux-amd64'))
    await writeFile(path.join(dir, 'inner-1.0.0-linux-amd64', name), 'x')
    const server = await start(dir)
    expect((await ask(`${server.url}/list`)).text).toBe('[]\n')
    expect((await ask(server.url, { path: `/download/inner-1.0.0-linux-amd64/${name}` })).status).toBe(404)
  })
})
