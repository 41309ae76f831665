import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Backend } from '../../src/proxy/proxy.ts'
import { ask, askRaw, begin, dial, open, portOf, startProgram, until, whole } from './tools.ts'

/** A program that answers each connection's bytes with bytes; says what it got. */
async function startRaw(answer: string): Promise<Backend & { got: () => string }> {
  let got = ''
  const server = createServer((socket: Socket) => {
    socket.setEncoding('latin1').on('error', () => undefined)
    socket.on('data', (chunk: string) => {
      got += chunk
      if (chunk.includes('\r\n\r\n')) socket.end(answer, 'latin1')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return { id: 'raw', host: '127.0.0.1', port, got: () => got }
}

/** A program that says what headers it got. */
const startEcho = (): ReturnType<typeof startProgram> =>
  startProgram((req, res) => res.end(JSON.stringify(req.headers)))

describe('headers of a request', () => {
  it('keep their host, and say where the request came from', async () => {
    const proxy = await open(await startEcho())
    const headers = { Host: 'example.org', 'X-Forwarded-For': '203.0.113.7', 'X-Own': 'b\u00e9' }
    const { text } = await ask(proxy.url, { headers })
    expect(JSON.parse(Buffer.from(text, 'latin1').toString())).toMatchObject({
      host: 'example.org',
      'x-forwarded-for': '203.0.113.7, 127.0.0.1',
      'x-forwarded-host': 'example.org',
      'x-forwarded-proto': 'http',
      'x-own': 'b\u00e9',
    })
  })

  it('of a server on this machine are believed about the scheme and host that its clients use', async () => {
    const proxy = await open(await startEcho())
    const headers = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'example.org' }
    expect(JSON.parse((await ask(proxy.url, { headers })).text)).toMatchObject({
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'example.org',
    })
  })

  it('that belong to the connection stay on it', async () => {
    const proxy = await open(await startEcho())
    const headers = {
      Connection: 'close, X-Mine, Content-Length, Host',
      'X-Mine': '1',
      'Keep-Alive': 'timeout=1',
      TE: 'trailers',
      'Proxy-Connection': 'close',
      'Proxy-Authorization': 'Basic eDp5',
      Upgrade: 'h2c',
      'X-Other': '2',
    }
    const answer = await ask(proxy.url, {
      method: 'POST',
      body: 'x',
      headers: { ...headers, 'Content-Length': '1' },
    })
    const got = JSON.parse(answer.text) as Record<string, string>
    expect(got).toMatchObject({ connection: 'keep-alive', 'x-other': '2', 'content-length': '1' })
    for (const name of ['x-mine', 'keep-alive', 'te', 'proxy-connection', 'proxy-authorization', 'upgrade'])
      expect(got).not.toHaveProperty(name)
    expect(got.host).toBe(new URL(proxy.url).host)
  })

  it('that could be read in two ways are refused', async () => {
    const program = await startEcho()
    const proxy = await open(program)
    const lines = (...all: string[]): string => `${all.join('\r\n')}\r\nConnection: close\r\n\r\n`
    for (const [request, status] of [
      [lines('POST / HTTP/1.1', 'Host: x', 'Content-Length: 5', 'Transfer-Encoding: chunked'), '400'],
      [lines('POST / HTTP/1.1', 'Host: x', 'Content-Length: 5', 'Content-Length: 6'), '400'],
      [lines('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: gzip, chunked'), '501'],
      [lines('POST / HTTP/1.1', 'Host: x', 'Transfer-Encoding: xchunked'), '501'],
      [lines('GET / HTTP/1.1', 'Host: x', 'Host: y'), '400'],
      [lines('GET / HTTP/1.1'), '400'],
      [lines('GET / HTTP/1.1', 'Host: x', 'A : b'), '400'],
      [lines('GET / HTTP/1.1', 'Host: x', ' folded'), '400'],
      [lines('GET / HTTP/1.1', 'Host: x', `X: ${'y'.repeat(70_000)}`), '431'],
      [lines('OPTIONS * HTTP/1.1', 'Host: x'), '400'],
      [lines('GET ftp://x/ HTTP/1.1', 'Host: x'), '400'],
    ] as const)
      expect([request.slice(0, 90), (await askRaw(portOf(proxy), request)).slice(9, 12)]).toEqual([
        request.slice(0, 90),
        status,
      ])
    expect(program.seen).toEqual([])
    expect(proxy.counts().lost).toBe(0)
  })

  it('yield to a target that names the host itself', async () => {
    const proxy = await open(await startEcho())
    const answer = await askRaw(
      portOf(proxy),
      'GET http://example.org/a?b HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n',
    )
    expect(answer).toContain('"host":"example.org"')
  })
})

describe('an answer', () => {
  it('comes with its status, its message and its headers, without those of the connection', async () => {
    const proxy = await open(
      await startRaw(
        'HTTP/1.1 299 Quite Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Mine\r\nX-Mine: 1\r\n' +
          'Keep-Alive: timeout=5\r\nX-\u00e9: no\r\n'.replace('X-\u00e9: no\r\n', 'X-Own: \u00e9\r\n') +
          'Content-Length: 2\r\n\r\nok',
      ),
    )
    const req = begin(proxy.url).end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect([res.statusCode, res.statusMessage]).toEqual([299, 'Quite Fine'])
    const { headers, text } = await whole(res)
    expect(text).toBe('ok')
    expect(headers['set-cookie']).toEqual(['a=1', 'b=2'])
    expect(headers['x-own']).toBe('\u00e9')
    expect(headers).not.toHaveProperty('x-mine')
    expect(headers['keep-alive']).not.toBe('timeout=5')
  })

  it.each(['GET', 'HEAD'])('to a %s has no body where it can have none', async (method) => {
    const program = await startProgram((req, res) => {
      res.writeHead(Number(req.url?.slice(1)), {
        'X-Own': '1',
        ...(req.url === '/200' && { 'Content-Length': '7' }),
      })
      res.end(req.url === '/200' ? 'content' : undefined)
    })
    const proxy = await open(program)
    for (const status of [204, 304, 200])
      expect(await ask(`${proxy.url}/${status}`, { method })).toMatchObject({
        status,
        text: status === 200 && method === 'GET' ? 'content' : '',
        headers: { 'x-own': '1', ...(status === 200 && { 'content-length': '7' }) },
      })
    expect(program.connections.size).toBe(1)
  })

  it('in chunks comes in chunks, as soon as each is there, with its trailers', async () => {
    let go = (): void => undefined
    const proxy = await open(
      await startProgram((_, res) => {
        res.writeHead(200, { Trailer: 'X-Sum' })
        res.write('first,')
        go = () => {
          res.addTrailers({ 'X-Sum': '42' })
          res.end('last')
        }
      }),
    )
    const req = begin(proxy.url).end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    const [first] = (await once(res, 'data')) as [Buffer]
    expect(String(first)).toBe('first,')
    res.pause()
    go()
    expect(await whole(res)).toMatchObject({ text: 'last', trailers: { 'x-sum': '42' } })
    expect(res.headers).toMatchObject({ 'transfer-encoding': 'chunked', trailer: 'X-Sum' })
  })

  it('that ends with its connection is passed on whole', async () => {
    const proxy = await open(await startRaw('HTTP/1.0 200 OK\r\n\r\nall of it'))
    expect((await ask(proxy.url)).text).toBe('all of it')
  })

  it('whose head comes long before its body: the head does not wait', async () => {
    let go = (): void => undefined
    const proxy = await open(
      await startProgram((_, res) => {
        res.writeHead(200, { 'Content-Length': '2' }).flushHeaders()
        go = () => res.end('ok')
      }),
    )
    const [res] = (await once(begin(proxy.url).end(), 'response')) as [IncomingMessage]
    go()
    expect((await whole(res)).text).toBe('ok')
  })

  it('may be announced by others of 1xx', async () => {
    const proxy = await open(
      await startRaw(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      ),
    )
    const req = begin(proxy.url)
    const hints = once(req, 'information')
    req.end()
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect((await hints)[0]).toMatchObject({ statusCode: 103, headers: { link: '</a.css>; rel=preload' } })
    expect((await whole(res)).text).toBe('ok')
    const old = await askRaw(portOf(proxy), 'GET / HTTP/1.0\r\n\r\n')
    expect(old).not.toContain('103')
    expect(old).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/)
  })

  it('to a client of HTTP/1.0 ends with its connection, and is in no chunks', async () => {
    const proxy = await open(
      await startProgram((_, res) => {
        res.writeHead(200, { Trailer: 'X-Sum' })
        res.write('first,')
        res.end('last')
      }),
    )
    expect(await askRaw(portOf(proxy), 'GET / HTTP/1.0\r\n\r\n')).toMatch(/\r\n\r\nfirst,last$/)
  })

  it('of two codings is refused', async () => {
    const proxy = await open(
      await startRaw('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'),
    )
    expect((await ask(proxy.url)).status).toBe(502)
    const both = await open(
      await startRaw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n'),
    )
    expect((await ask(both.url)).status).toBe(502)
  })
})

describe('a request with a body', () => {
  it('is passed on with its length, or in chunks as it came', async () => {
    const proxy = await open(
      await startProgram(
        (req, res) =>
          void req.toArray().then((all) => {
            const { 'content-length': length, 'transfer-encoding': coding } = req.headers
            res.end(
              JSON.stringify({ method: req.method, length, coding, body: Buffer.concat(all).toString() }),
            )
          }),
      ),
    )
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'GET']) {
      const known = await ask(proxy.url, { method, body: 'body', headers: { 'Content-Length': '4' } })
      expect(JSON.parse(known.text)).toEqual({ method, length: '4', body: 'body' })
      const chunked = await ask(proxy.url, {
        method,
        body: 'body',
        headers: { 'Transfer-Encoding': 'chunked' },
      })
      expect(JSON.parse(chunked.text)).toEqual({ method, coding: 'chunked', body: 'body' })
    }
    const empty = await ask(proxy.url, { method: 'POST', headers: { 'Content-Length': '0' } })
    expect(JSON.parse(empty.text)).toEqual({ method: 'POST', length: '0', body: '' })
  })

  it('that waits to be told to go on is told so when a program is there', async () => {
    const proxy = await open()
    const req = begin(proxy.url, {
      method: 'POST',
      headers: { Expect: '100-continue', 'Content-Length': '4' },
    })
    let told = false
    req.on('continue', () => {
      told = true
      req.end('body')
    })
    req.flushHeaders()
    await until('it to wait', () => proxy.counts().held === 1)
    expect(told).toBe(false)
    proxy.switchTo(
      await startProgram((r, res) => void r.toArray().then((all) => res.end(String(Buffer.concat(all))))),
    )
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect((await whole(res)).text).toBe('body')
    expect(told).toBe(true)
  })

  it('that waits in vain gets its answer, and is not waited for', async () => {
    const proxy = await open(undefined, { holdMs: 10 })
    const head = 'POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n'
    expect(await askRaw(portOf(proxy), head)).toMatch(/^HTTP\/1\.1 503 [^]*Connection: close/)
  })

  it('may be answered before it has come', async () => {
    const program = await startProgram((_, res) => {
      res.writeHead(413, { Connection: 'close' })
      res.end('too much')
    })
    const proxy = await open(program)
    const req = begin(proxy.url, { method: 'POST', headers: { 'Content-Length': String(1 << 20) } })
    req.write('some')
    const [res] = (await once(req, 'response')) as [IncomingMessage]
    expect(await whole(res)).toMatchObject({ status: 413, text: 'too much' })
  })

  it('whose client goes away is taken back, and not lost', async () => {
    let gone = false
    const program = await startProgram((req) => {
      req.resume()
      req.on('close', () => (gone = !req.complete))
      req.on('error', () => undefined)
    })
    const proxy = await open(program)
    const req = begin(proxy.url, { method: 'POST', headers: { 'Content-Length': '100' } })
    req.write('some')
    await until('it to arrive', () => program.seen.length === 1)
    req.destroy()
    await until('the program to know', () => gone)
    expect(proxy.inFlight(program.id)).toBe(0)
    expect(proxy.counts()).toMatchObject({ requests: 1, lost: 0, retried: 0 })
  })
})

describe('pipelined requests', () => {
  it('are answered in their order, one after the other', async () => {
    const release: (() => void)[] = []
    const program = await startProgram((req, res) => {
      if (req.url === '/slow') release.push(() => res.end('slow '))
      else res.end(req.url)
    })
    const proxy = await open(program)
    const text = askRaw(
      portOf(proxy),
      'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nPOST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx' +
        'GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
    )
    await until('the first to arrive', () => release.length === 1)
    expect(program.seen).toEqual(['GET /slow'])
    release[0]?.()
    expect((await text).match(/slow |\/b|\/c/g)).toEqual(['slow ', '/b', '/c'])
  })

  it('end with their connection', async () => {
    const program = await startProgram(() => undefined)
    const proxy = await open(program)
    const { socket } = await dial(portOf(proxy))
    socket.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('both to come', () => proxy.counts().requests === 2 && program.seen.length === 1)
    socket.destroy()
    await until('nothing to be under way', () => proxy.inFlight(program.id) === 0)
    expect(program.seen).toEqual(['GET /1'])
    expect(proxy.counts().lost).toBe(0)
  })
})

describe('what is large', () => {
  const size = 200e6
  const chunk = Buffer.alloc(1 << 20, 'x')

  it('passes through without filling the memory when the other side is slow, up and down', async () => {
    let written = 0
    const program = await startProgram((req, res) => {
      if (req.method === 'POST') return // reads nothing
      const fill = (): void => {
        while (written < size && res.write(chunk)) written += chunk.length
      }
      res.on('drain', fill)
      fill()
    })
    const proxy = await open(program)
    const down = connect(portOf(proxy), '127.0.0.1')
    onTestFinished(() => void down.destroy())
    down.pause().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const up = request(proxy.url, {
      method: 'POST',
      agent: false,
      headers: { 'Content-Length': String(size) },
    })
    up.on('error', () => undefined)
    onTestFinished(() => void up.destroy())
    let sent = 0
    const push = (): void => {
      while (sent < size && up.write(chunk)) sent += chunk.length
    }
    up.on('drain', push)
    push()
    await until(
      'both to stand still',
      still(() => written + sent),
    )
    // What the kernel takes of it and a few buffers: far from all.
    expect(written).toBeLessThan(size / 4)
    expect(sent).toBeLessThan(size / 4)
  })

  it('comes through whole', async () => {
    const program = await startProgram((req, res) => {
      let got = 0
      if (req.method === 'GET') {
        let left = 64
        const fill = (): void => {
          while (left-- > 0) if (!res.write(chunk)) return
          res.end()
        }
        res.on('drain', fill)
        fill()
      } else req.on('data', (part: Buffer) => (got += part.length)).on('end', () => res.end(String(got)))
    })
    const proxy = await open(program)
    expect((await ask(proxy.url)).text.length).toBe(64 * chunk.length)
    const up = begin(proxy.url, { method: 'PUT' })
    for (let i = 0; i < 32; i++) if (!up.write(chunk)) await once(up, 'drain')
    up.end()
    const [res] = (await once(up, 'response')) as [IncomingMessage]
    expect((await whole(res)).text).toBe(String(32 * chunk.length))
  })
})

/** Whether a number has not changed for a good while: many looks in a row. */
function still(read: () => number): () => boolean {
  let last = -1
  let same = 0
  return () => {
    const now = read()
    same = now === last ? same + 1 : 0
    last = now
    return same >= 50
  }
}
