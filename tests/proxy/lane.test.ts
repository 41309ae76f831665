import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Proxy } from '../../src/proxy/proxy.ts'
import { readSimpleHead } from '../../src/proxy/simple-head.ts'
import { dial, open, portOf, startNamed, startProgram, until, type Program } from './tools.ts'

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: example.org\r\n${more}\r\n`

/** A client's connection, on which small questions go the short way: the program's answers were simple so far. */
async function warm(
  proxy: Proxy,
): Promise<{ socket: Socket; text: () => string; next: (path: string, ends: string) => Promise<string> }> {
  const { socket, text } = await dial(portOf(proxy))
  let read = 0
  const next = async (path: string, ends: string): Promise<string> => {
    socket.write(get(path))
    await until(`the answer to ${path}`, () => text().length > read && text().endsWith(ends))
    const answer = text().slice(read)
    read = text().length
    return answer
  }
  await next('/warm', '/warm')
  return { socket, text, next }
}

/** Answers with the path, except where `other` does something else. */
const startPaths = (other: Record<string, RequestListener> = {}): Promise<Program> =>
  startProgram((req, res) => {
    const { url = '' } = req
    const listener = other[url]
    if (listener) listener(req, res)
    else res.end(url)
  })

const body = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

describe('small questions on a kept connection', () => {
  it('say where they come from as all others do, whatever their paths', async () => {
    const program = await startProgram((req, res) =>
      res.end(`${JSON.stringify(req.headers)}${req.url ?? ''}`),
    )
    const proxy = await open(program)
    const { next } = await warm(proxy)
    for (const path of ['/a?b=c', '/d']) {
      const answer = await next(path, path)
      expect(JSON.parse(body(answer).slice(0, -path.length))).toMatchObject({
        host: 'example.org',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': 'example.org',
        'x-forwarded-proto': 'http',
      })
      expect(answer).not.toMatch(/timeout=60\b/)
    }
    expect(program.connections.size).toBe(2)
    expect(proxy.counts()).toMatchObject({ requests: 3, lost: 0, retried: 0 })
    expect(proxy.inFlight(program.id)).toBe(0)
  })

  it('get answers of every kind', async () => {
    const program = await startPaths({
      '/chunks': (_, res) => {
        res.write('chunk,')
        setImmediate(() => res.end('chunked'))
      },
      '/split': (_, res) => {
        res.writeHead(200, { 'Content-Length': '8' }).flushHeaders()
        setImmediate(() => res.end('/split ok'.slice(1)))
      },
      '/none': (_, res) => res.writeHead(304, { ETag: '"none"' }).end(),
      '/close': (_, res) => res.writeHead(200, { Connection: 'close', 'Content-Length': '6' }).end('closed'),
      '/hints': (_, res) => {
        res.writeEarlyHints({ link: '</a.css>; rel=preload' })
        res.end('hinted')
      },
    })
    const proxy = await open(program)
    const { next, socket, text } = await warm(proxy)
    const warmer = async (): Promise<void> => {
      for (let i = 0; i < 30; i++) await next(`/${i}`, `/${i}`)
    }
    await warmer()
    expect(body(await next('/split', 'split ok'))).toBe('split ok')
    expect(await next('/none', '\r\n\r\n')).toMatch(/^HTTP\/1\.1 304 [^]*ETag: "none"/)
    expect(body(await next('/chunks', '0\r\n\r\n'))).toMatch(/chunk,[^]*chunked\r\n0\r\n\r\n$/)
    await warmer()
    expect(body(await next('/close', 'closed'))).toBe('closed')
    await warmer()
    expect(await next('/hints', 'hinted')).toMatch(/^HTTP\/1\.1 103 [^]*preload[^]*HTTP\/1\.1 200 OK/)
    expect(body(await next('/after', '/after'))).toBe('/after')
    expect(program.seen.filter((line) => !/GET \/\d/.test(line)).slice(1)).toEqual(
      ['split', 'none', 'chunks', 'close', 'hints', 'after'].map((name) => `GET /${name}`),
    )
    expect(text()).not.toContain('HTTP/1.1 5')
    socket.destroy()
    expect(proxy.counts()).toMatchObject({ lost: 0, retried: 0 })
  })

  it('and others take turns', async () => {
    const proxy = await open(
      await startProgram(
        (req, res) =>
          void req.toArray().then((all) => res.end(`${req.url ?? ''}${String(Buffer.concat(all))}`)),
      ),
    )
    const { socket, text } = await warm(proxy)
    const post = 'POST /p HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\r\n'
    // Several at once, also cut in the middle of one.
    socket.write(`${get('/1')}${post}`)
    await until('the first', () => text().endsWith('/1'))
    socket.write('body')
    await until('the second', () => text().endsWith('/pbody'))
    socket.write(get('/2'))
    socket.write(get('/3'))
    socket.write(get('/4', 'X-Other: 1\r\n') + get('/5').slice(0, 20))
    await until('the fifth', () => text().endsWith('/4'))
    socket.write(get('/5').slice(20))
    await until('the sixth', () => text().endsWith('/5'))
    expect(
      text()
        .match(/\r\n\r\n\/(?:[a-z]+|\d)/g)
        ?.map((found) => found.trim()),
    ).toEqual(['/warm', '/1', '/pbody', '/2', '/3', '/4', '/5'])
  })

  it('are answered in their order when more come before the first is answered', async () => {
    let finish = (): void => undefined
    const program = await startPaths({ '/slow': (_, res) => (finish = () => res.end('/slow')) })
    const proxy = await open(program)
    const { socket, text } = await warm(proxy)
    socket.write(get('/slow'))
    await until('it to arrive', () => program.seen.includes('GET /slow'))
    socket.write(get('/next') + get('/last', 'Connection: close\r\n'))
    finish()
    await once(socket, 'end')
    expect(text().match(/\/(?:warm|slow|next|last)/g)).toEqual(['/warm', '/slow', '/next', '/last'])
  })

  it('go to the current program', async () => {
    const proxy = await open(await startNamed('/warm'))
    const { next } = await warm(proxy)
    await next('/', '/warm')
    proxy.switchTo(await startNamed('second'))
    for (let i = 0; i < 3; i++) expect(body(await next('/', 'second'))).toBe('second')
    proxy.switchTo(undefined)
    const waiting = next('/', 'third')
    await until('it to wait', () => proxy.counts().held === 1)
    proxy.switchTo(await startNamed('third'))
    expect(body(await waiting)).toBe('third')
  })

  it('are sent once more when the program closes the connection as they come, or wait when it is dead', async () => {
    let breaks = 1
    const program = await startPaths({
      '/break': (req, res) => {
        if (breaks-- > 0) req.socket.destroy()
        else res.end('/break')
      },
      '/die': () => void program.kill(),
    })
    const proxy = await open(program)
    const { next } = await warm(proxy)
    expect(body(await next('/break', '/break'))).toBe('/break')
    expect(proxy.counts()).toMatchObject({ retried: 1, lost: 0 })
    const waiting = next('/die', 'b')
    await until('it to wait', () => proxy.counts().held === 1)
    proxy.switchTo(await startNamed('b'))
    expect(body(await waiting)).toBe('b')
    expect(proxy.counts()).toMatchObject({ retried: 2, lost: 0, requests: 3 })
  })

  it('break off where their answers do', async () => {
    const program = await startPaths({
      '/half': (_, res) => {
        res.writeHead(200, { 'Content-Length': '100' })
        res.write('half', () => res.destroy())
      },
      '/head': (req) => void req.socket.end('HTTP/1.1 200 OK\r\nDate: '),
    })
    const proxy = await open(program)
    const first = await warm(proxy)
    const ended = once(first.socket, 'close')
    first.socket.once('end', () => first.socket.end())
    await first.next('/half', 'half')
    await ended
    expect(proxy.counts()).toMatchObject({ lost: 1, retried: 0 })
    const second = await warm(proxy)
    expect(await second.next('/head', 'connection\n')).toMatch(/^HTTP\/1\.1 502 /)
    expect(proxy.counts()).toMatchObject({ lost: 2, retried: 0 })
    expect(proxy.inFlight(program.id)).toBe(0)
  })

  it('are cut at the deadline of a drain, and taken back when their clients go', async () => {
    let gone = 0
    const program = await startPaths({
      '/silent': (_, res) => void res.on('close', () => gone++),
      '/long': (_, res) => {
        res.writeHead(200, { 'Content-Length': '100' })
        res.write('some')
      },
    })
    const proxy = await open(program)
    const clients = [await warm(proxy), await warm(proxy), await warm(proxy)] as const
    clients[0].socket.write(get('/silent'))
    await until('it to arrive', () => program.seen.includes('GET /silent'))
    clients[0].socket.destroy()
    await until('the program to know', () => gone === 1)
    expect(proxy.inFlight(program.id)).toBe(0)
    const refused = clients[1].next('/silent', 'time for\n')
    await clients[2].next('/long', 'some')
    await until('both to arrive', () => proxy.inFlight(program.id) === 2)
    const ended = once(clients[2].socket, 'end')
    proxy.switchTo(undefined)
    expect(await proxy.drain(program.id, 0)).toEqual({ inFlight: 2, cut: 2 })
    expect(await refused).toMatch(/^HTTP\/1\.1 503 /)
    await ended
    expect(proxy.counts()).toMatchObject({ cut: 2, lost: 0 })
    await until('every connection to close', () => program.connections.size === 0)
  })

  it('with long answers do not fill the memory when the client is slow', async () => {
    const chunk = Buffer.alloc(1 << 20, 'x')
    const size = 64 * chunk.length
    let written = 0
    const program = await startPaths({
      '/long': (_, res) => {
        res.writeHead(200, { 'Content-Length': String(size) })
        const fill = (): void => {
          while (written < size) {
            written += chunk.length
            if (!res.write(chunk)) return
          }
          res.end()
        }
        res.on('drain', fill)
        fill()
      },
    })
    const proxy = await open(program)
    const { socket } = await warm(proxy)
    let got = 0
    socket.removeAllListeners('data')
    socket.pause().write(get('/long'))
    let last = -1
    let same = 0
    await until('it to stand still', () => {
      same = written > 0 && written === last ? same + 1 : 0
      last = written
      return same > 50
    })
    expect(written).toBeLessThan(size / 2)
    socket.on(
      'data',
      (text: string) => (got += text.length - (/^HTTP[^]*?\r\n\r\n/.exec(text)?.[0].length ?? 0)),
    )
    socket.resume()
    await until('all of it', () => got === size)
    expect(proxy.inFlight(program.id)).toBe(0)
  })

  it('are answered when the proxy closes', async () => {
    let finish = (): void => undefined
    const program = await startPaths({ '/slow': (_, res) => (finish = () => res.end('/slow')) })
    const proxy = await open(program)
    const { socket, next } = await warm(proxy)
    const slow = next('/slow', '/slow')
    await until('it to arrive', () => program.seen.includes('GET /slow'))
    const ended = once(socket, 'end').then(() => socket.end())
    const closed = proxy.close(60_000)
    finish()
    expect(body(await slow)).toBe('/slow')
    await ended
    await closed
  })
})

describe('the head of an answer', () => {
  const read = (...lines: string[]): unknown =>
    readSimpleHead(Buffer.from(['HTTP/1.1 200 OK', 'Date: now', ...lines, '', 'body'].join('\r\n'), 'latin1'))

  it('is simple with one length, on a connection that goes on', () => {
    expect(read('Content-Length: 4')).toEqual({ size: 49, length: 4, from: 0, to: 0 })
    expect(read('X-É: 1'.replace('É', 'E'), 'content-length:4', 'Connection: keep-alive')).toMatchObject({
      length: 4,
    })
    expect(read('Content-Length: 4', 'Keep-Alive: timeout=5')).toMatchObject({ from: 45, to: 68 })
    expect(readSimpleHead(Buffer.from('HTTP/1.1 200 OK\r\nDate: now\r\n'))).toBe('more')
  })

  it.each([
    [['Content-Length: 4', 'Content-Length: 4']],
    [['Content-Length: 4, 4']],
    [['Content-Length: +4']],
    [['Content-Length: 4', 'Transfer-Encoding: chunked']],
    [['Transfer-Encoding : chunked', 'Content-Length: 4']],
    [['Content-Length: 4', 'Connection: close']],
    [['Content-Length: 4', 'Connection: keep-alive, X-Own']],
    [['Content-Length: 4', 'Upgrade: h2c']],
    [['Content-Length: 4', ' folded']],
    [['Content-Length: 4', 'X: a\nb']],
    [['Content-Length: 4', 'X: a\rb']],
    [['Content-Length: 4', 'X: \u0000']],
    [['Content-Length: 4', ': x']],
    [['X: 1']],
  ])('is not with %j', (lines) => {
    expect(read(...lines)).toBeUndefined()
  })

  it.each([
    'HTTP/1.0 200 OK',
    'HTTP/1.1 100 Continue',
    'HTTP/1.1 101 Yes',
    'HTTP/1.1 20 OK',
    'HTTP/2 200',
    'rubbish',
  ])('is not with %s', (first) => {
    expect(readSimpleHead(Buffer.from(`${first}\r\nDate: now\r\nContent-Length: 0\r\n\r\n`))).toBeUndefined()
  })
})
