import { once } from 'node:events'
import { Agent } from 'node:http'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  ask,
  askRaw,
  begin,
  freePort,
  open,
  portOf,
  startNamed,
  startProgram,
  until,
  whole,
} from './tools.ts'

describe('switching', () => {
  it('sends new requests to the current program, on the connections that clients have', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')]
    const proxy = await open(a)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    expect(proxy.current).toBe(a)
    expect((await ask(proxy.url, { agent })).text).toBe('a')
    proxy.switchTo(b)
    expect(proxy.current).toBe(b)
    const req = begin(proxy.url, { agent }).end()
    const [res] = (await once(req, 'response')) as [Parameters<typeof whole>[0]]
    expect((await whole(res)).text).toBe('b')
    expect(req.reusedSocket).toBe(true)
    expect([a.seen, b.seen]).toEqual([['GET /'], ['GET /']])
  })

  it('lets what is under way at the old one finish there', async () => {
    let finish = (): void => undefined
    const a = await startProgram((_, res) => (finish = () => res.end('old')))
    const b = await startNamed('b')
    const proxy = await open(a)
    const slow = ask(proxy.url)
    await until('the request to arrive', () => a.seen.length === 1)
    proxy.switchTo(b)
    expect((await ask(proxy.url)).text).toBe('b')
    expect([proxy.inFlight(a.id), proxy.inFlight(b.id)]).toEqual([1, 0])
    const drained = proxy.drain(a.id, 60_000)
    finish()
    expect((await slow).text).toBe('old')
    expect(await drained).toEqual({ inFlight: 1, cut: 0 })
    expect(proxy.counts()).toMatchObject({ requests: 2, held: 0, lost: 0, cut: 0 })
  })

  it('closes idle connections to a program that is drained', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')]
    const proxy = await open(a)
    await ask(proxy.url)
    expect(a.connections.size).toBe(1)
    proxy.switchTo(b)
    expect(await proxy.drain(a.id, 60_000)).toEqual({ inFlight: 0, cut: 0 })
    await until('the connection to close', () => a.connections.size === 0)
  })

  it('cuts what is left at the deadline: says so where nothing was answered yet, breaks off where something was', async () => {
    const a = await startProgram((req, res) => {
      if (req.url === '/stream') res.write('first')
    })
    const proxy = await open(a)
    const silent = ask(proxy.url)
    const [res] = (await once(begin(`${proxy.url}/stream`).end(), 'response')) as [
      Parameters<typeof whole>[0],
    ]
    await until('both to arrive', () => a.seen.length === 2)
    const broken = expect(whole(res)).rejects.toThrow('aborted')
    proxy.switchTo(undefined, 'being replaced')
    expect(await proxy.drain(a.id, 0)).toEqual({ inFlight: 2, cut: 2 })
    expect(await silent).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
    await broken
    expect(proxy.counts()).toMatchObject({ cut: 2, lost: 0 })
    expect(proxy.inFlight(a.id)).toBe(0)
  })

  it('does not cut a program that takes requests again', async () => {
    let finish = (): void => undefined
    const a = await startProgram((_, res) => (finish = () => res.end('whole')))
    const proxy = await open(a)
    const slow = ask(proxy.url)
    await until('the request to arrive', () => a.seen.length === 1)
    proxy.switchTo(undefined)
    const drained = expect(proxy.drain(a.id, 60_000)).rejects.toThrow('takes requests again')
    proxy.switchTo(a)
    await drained
    finish()
    expect((await slow).text).toBe('whole')
  })

  it('stops draining when it is told to, and cuts nothing', async () => {
    let finish = (): void => undefined
    const a = await startProgram((_, res) => (finish = () => res.end('whole')))
    const proxy = await open(a)
    const slow = ask(proxy.url)
    await until('the request to arrive', () => a.seen.length === 1)
    const stop = new AbortController()
    const drained = expect(proxy.drain(a.id, 60_000, stop.signal)).rejects.toThrow('never mind')
    stop.abort(new Error('never mind'))
    await drained
    finish()
    expect((await slow).text).toBe('whole')
  })
})

describe('holding', () => {
  it('lets requests wait while there is no program, with their bodies unread, and sends them to the next', async () => {
    const proxy = await open()
    const body = Buffer.alloc(1 << 20, 'x')
    const waiting = [ask(proxy.url), ask(proxy.url, { method: 'POST', body })]
    await until('both to wait', () => proxy.counts().held === 2)
    const b = await startProgram(
      (req, res) => void req.toArray().then((all) => res.end(String(Buffer.concat(all).length))),
    )
    proxy.switchTo(b)
    const answers = await Promise.all(waiting)
    expect(answers.map(({ text }) => text)).toEqual(['0', String(body.length)])
    const counts = proxy.counts()
    expect(counts).toMatchObject({ requests: 2, held: 2, lost: 0, retried: 0 })
    expect(counts.longestHoldMs).toBeGreaterThan(0)
    expect(proxy.counts().longestHoldMs).toBe(0)
  })

  it('gives up after its time, with a reason', async () => {
    const proxy = await open(undefined, { holdMs: 30 })
    proxy.switchTo(undefined, 'version 2 did not start')
    expect(await ask(proxy.url, { method: 'POST', body: 'x' })).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1', 'content-type': 'text/plain; charset=utf-8' },
      text: 'version 2 did not start\n',
    })
    expect(proxy.counts()).toMatchObject({ held: 1, lost: 1 })
  })

  it('forgets those whose clients have gone', async () => {
    const proxy = await open()
    const req = begin(proxy.url).end()
    await until('it to wait', () => proxy.counts().held === 1)
    req.destroy()
    const socket = begin(proxy.url, { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }).end()
    await until('the other to wait', () => proxy.counts().held === 2)
    socket.destroy()
    const b = await startNamed('b')
    // Nothing is under way for it to wait for, once both are known to have gone.
    await proxy.close(60_000)
    proxy.switchTo(b)
    expect(b.seen).toEqual([])
    expect(proxy.counts()).toMatchObject({ lost: 0 })
  })

  it('does not let more wait than it may', async () => {
    const proxy = await open(undefined, { mostHeld: 1 })
    const first = ask(proxy.url)
    await until('it to wait', () => proxy.counts().held === 1)
    expect((await ask(proxy.url)).text).toBe('no program is running yet, and too many requests wait\n')
    proxy.switchTo(await startNamed('b'))
    expect((await first).text).toBe('b')
  })
})

describe('a program that fails', () => {
  it('that cannot be connected to: requests wait for another, also those with a body', async () => {
    const proxy = await open({ id: 'dead', host: '127.0.0.1', port: await freePort() })
    const waiting = [ask(proxy.url), ask(proxy.url, { method: 'POST', body: 'x' })]
    await until('both to wait', () => proxy.counts().held === 2)
    proxy.switchTo(await startNamed('b'))
    expect((await Promise.all(waiting)).map(({ text }) => text)).toEqual(['b', 'b'])
    expect(proxy.counts()).toMatchObject({ retried: 0, lost: 0 })
  })

  it('that cannot be connected to: 502 when there is no other in time', async () => {
    const proxy = await open({ id: 'dead', host: '127.0.0.1', port: await freePort() }, { holdMs: 30 })
    expect(await ask(proxy.url)).toMatchObject({ status: 502, text: 'the program cannot be connected to\n' })
    expect(proxy.counts()).toMatchObject({ held: 1, lost: 1 })
  })

  it('that listens only later: those that found nobody are sent as soon as it does, POST too', async () => {
    const port = await freePort()
    const proxy = await open({ id: 'a', host: '127.0.0.1', port })
    const waiting = [ask(`${proxy.url}/first`), ask(`${proxy.url}/second`, { method: 'POST', body: 'x' })]
    await until('both to wait', () => proxy.counts().held === 2)
    await startProgram((req, res) => res.end(req.url), { port })
    expect((await Promise.all(waiting)).map(({ text }) => text).sort()).toEqual(['/first', '/second'])
    expect(proxy.counts()).toMatchObject({ held: 2, lost: 0 })
  })

  it('that closes a connection as a request comes: it is sent once more, when it may be', async () => {
    let breaks = 1
    const a = await startProgram((req, res) => {
      if (req.url !== '/' && breaks-- > 0) req.socket.destroy()
      else res.end('a')
    })
    const proxy = await open(a)
    await ask(proxy.url)
    expect((await ask(`${proxy.url}/again`)).text).toBe('a')
    expect(proxy.counts()).toMatchObject({ retried: 1, lost: 0 })
    breaks = 1
    const refused = await ask(`${proxy.url}/post`, { method: 'POST', body: 'x' })
    expect(refused.status).toBe(502)
    expect(refused.text).toMatch(/^the program gave no whole answer: /)
    expect(proxy.counts()).toMatchObject({ retried: 1, lost: 1 })
    breaks = 2
    expect((await ask(`${proxy.url}/twice`)).status).toBe(502)
    expect(a.seen.slice(1)).toEqual(['GET /again', 'GET /again', 'POST /post', 'GET /twice', 'GET /twice'])
  })

  it('that dies under a request: it is sent to the next one', async () => {
    const a = await startProgram(() => undefined)
    const proxy = await open(a)
    const slow = ask(proxy.url)
    await until('it to arrive', () => a.seen.length === 1)
    await a.kill()
    await until('it to wait', () => proxy.counts().held === 1)
    proxy.switchTo(await startNamed('b'))
    expect((await slow).text).toBe('b')
    expect(proxy.counts()).toMatchObject({ retried: 1, lost: 0 })
  })

  it.each([
    ['with a length', { 'Content-Length': '100' }],
    ['in chunks', {}],
  ])('that breaks off an answer %s: it breaks off for the client too', async (_, headers) => {
    const a = await startProgram((_req, res) => {
      res.writeHead(200, headers)
      res.write('half', () => res.destroy())
    })
    const proxy = await open(a)
    await expect(ask(proxy.url)).rejects.toThrow(/aborted|hang up/)
    expect(proxy.counts()).toMatchObject({ lost: 1, retried: 0 })
  })

  it('that does not speak HTTP: 502', async () => {
    const a = await startProgram((req) => req.socket.end('rubbish\r\n\r\n'))
    const proxy = await open(a)
    expect((await ask(proxy.url)).status).toBe(502)
  })
})

describe('closing', () => {
  it('answers what is under way, then closes every connection', async () => {
    let finish = (): void => undefined
    const a = await startProgram((_, res) => (finish = () => res.end('whole')))
    const proxy = await open(a)
    const agent = new Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    const slow = ask(proxy.url, { agent })
    await until('it to arrive', () => a.seen.length === 1)
    const closed = proxy.close(60_000)
    await expect(ask(proxy.url)).rejects.toThrow('ECONNREFUSED')
    finish()
    expect(await slow).toMatchObject({ text: 'whole', headers: { connection: 'close' } })
    await closed
    await until('the connection to close', () => a.connections.size === 0)
  })

  it('cuts what is left at the deadline, and refuses what waits', async () => {
    const a = await startProgram(() => undefined)
    const proxy = await open(a)
    const slow = ask(proxy.url)
    await until('it to arrive', () => a.seen.length === 1)
    proxy.switchTo(undefined)
    const waiting = ask(proxy.url)
    await until('the other to wait', () => proxy.counts().held === 1)
    await proxy.close(0)
    expect((await slow).status).toBe(503)
    expect((await waiting).text).toBe('this server is ending\n')
  })

  it('closes idle connections at once', async () => {
    const a = await startNamed('a')
    const proxy = await open(a)
    const bytes = askRaw(portOf(proxy), 'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until('it to arrive', () => a.seen.length === 1 && proxy.inFlight('a') === 0)
    await proxy.close(60_000)
    expect(await bytes).toContain('200 OK')
  })
})
