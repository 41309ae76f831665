import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  ask,
  begin,
  dial,
  open,
  portOf,
  startNamed,
  startProgram,
  until,
  whole,
  type Program,
} from './tools.ts'

const offer = (path = '/'): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Own: 1\r\n\r\n`

/** A program that takes every offer, and says each word twice. */
async function startTwice(): Promise<Program & { sockets: Socket[] }> {
  const sockets: Socket[] = []
  const program = await startProgram((_, res) => res.end('plain'))
  program.server.on('upgrade', (req, _, head) => {
    const socket = req.socket
    sockets.push(socket)
    const { upgrade = '', connection = '' } = req.headers
    socket.write(`HTTP/1.1 101 Yes\r\nConnection: ${connection}\r\nUpgrade: ${upgrade}\r\nX-Own: 2\r\n\r\n`)
    const twice = (word: Buffer): unknown => socket.write(`${String(word)}${String(word)}`)
    if (head.length > 0) twice(head)
    socket.on('data', twice).on('error', () => undefined)
    socket.on('end', () => socket.end('bye'))
  })
  return Object.assign(program, { sockets })
}

describe('another protocol', () => {
  it('is spoken with the program that was current then, in raw bytes, also after a switch, until both have ended', async () => {
    const a = await startTwice()
    const proxy = await open(a)
    const { socket, text } = await dial(portOf(proxy))
    socket.write(`${offer()}early `)
    await until('the answer', () => text().includes('early early '))
    expect(text()).toMatch(
      /^HTTP\/1\.1 101 [^]*Connection: Upgrade\r\nUpgrade: websocket\r\n[^]*X-Own: 2\r\n\r\nearly early $/,
    )
    proxy.switchTo(await startNamed('b'))
    expect((await ask(proxy.url)).text).toBe('b')
    const drained = proxy.drain(a.id, 60_000)
    socket.write('late ')
    await until('the echo', () => text().endsWith('late late '))
    expect(proxy.inFlight(a.id)).toBe(1)
    socket.end()
    expect(await drained).toEqual({ inFlight: 1, cut: 0 })
    await until('the goodbye', () => text().endsWith('bye'))
    expect(proxy.counts()).toMatchObject({ cut: 0, lost: 0 })
  })

  it('is cut at the deadline', async () => {
    const a = await startTwice()
    const proxy = await open(a)
    const { socket, text } = await dial(portOf(proxy))
    socket.write(offer())
    await until('the answer', () => text().includes('\r\n\r\n'))
    const closed = once(socket, 'close')
    socket.once('end', () => socket.end())
    proxy.switchTo(undefined)
    expect(await proxy.drain(a.id, 0)).toEqual({ inFlight: 1, cut: 1 })
    await closed
    expect(proxy.counts()).toMatchObject({ cut: 1, lost: 0 })
  })

  it('ends for the program when the client is gone, and for the client when the program is', async () => {
    const a = await startTwice()
    const proxy = await open(a)
    const clients = [await dial(portOf(proxy)), await dial(portOf(proxy))] as const
    for (const { socket, text } of clients) {
      socket.write(offer())
      await until('the answer', () => text().includes('\r\n\r\n'))
    }
    expect(proxy.inFlight(a.id)).toBe(2)
    clients[0].socket.resetAndDestroy()
    await until('one to be gone', () => proxy.inFlight(a.id) === 1)
    const ended = once(clients[1].socket, 'end')
    await a.kill()
    await ended
    clients[1].socket.end()
    await until('both to be gone', () => proxy.inFlight(a.id) === 0)
  })

  it('that the program does not want to speak gets the answer that it gives', async () => {
    const proxy = await open(
      await startProgram((_, res) => {
        res.writeHead(426, { 'X-Own': '1' })
        res.end('not here')
      }),
    )
    const { socket, text } = await dial(portOf(proxy))
    const closed = once(socket, 'close')
    socket.once('end', () => socket.end())
    socket.write(offer())
    await closed
    expect(text()).toMatch(/^HTTP\/1\.1 426 [^]*Connection: close[^]*\r\n\r\n[^]*not here/)
    const none = await open(undefined, { holdMs: 10 })
    const late = await dial(portOf(none))
    const over = once(late.socket, 'close')
    late.socket.once('end', () => late.socket.end())
    late.socket.write(offer())
    await over
    expect(late.text()).toMatch(/^HTTP\/1\.1 503 /)
  })

  it('waits for a program as any request does', async () => {
    const proxy = await open()
    const { socket, text } = await dial(portOf(proxy))
    socket.write(offer())
    await until('it to wait', () => proxy.counts().held === 1)
    proxy.switchTo(await startTwice())
    socket.write('word ')
    await until('the echo', () => text().endsWith('word word '))
  })

  it('is not offered with a body, nor h2c: those are requests as all others', async () => {
    const a = await startTwice()
    const proxy = await open(a)
    for (const options of [
      { headers: { Connection: 'Upgrade', Upgrade: 'h2c' } },
      { headers: { Connection: 'Upgrade', Upgrade: 'websocket' }, method: 'POST', body: 'body' },
    ])
      expect((await ask(proxy.url, options)).text).toBe('plain')
    expect(a.sockets).toEqual([])
  })
})

describe('a stream of events', () => {
  it('stays with its program until the deadline', async () => {
    let write = (_: string): void => undefined
    const a = await startProgram((_, res) => {
      res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      write = (text) => void res.write(text)
    })
    const proxy = await open(a)
    const [res] = (await once(begin(proxy.url).end(), 'response')) as [IncomingMessage]
    write('data: 1\n\n')
    expect(String((await once(res, 'data'))[0])).toBe('data: 1\n\n')
    proxy.switchTo(await startNamed('b'))
    const next = once(res, 'data')
    write('data: 2\n\n')
    expect(String((await next)[0])).toBe('data: 2\n\n')
    const broken = expect(whole(res)).rejects.toThrow('aborted')
    expect(await proxy.drain(a.id, 0)).toEqual({ inFlight: 1, cut: 1 })
    await broken
  })

  it('whose client has gone ends for the program, and is not lost', async () => {
    let ended = false
    const a = await startProgram((_, res) => {
      res.write('data: 1\n\n')
      res.on('close', () => (ended = true))
    })
    const proxy = await open(a)
    const req = begin(proxy.url).end()
    await once(req, 'response')
    req.destroy()
    await until('the program to know', () => ended)
    expect(proxy.inFlight(a.id)).toBe(0)
    expect(proxy.counts().lost).toBe(0)
  })
})
