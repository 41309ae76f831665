import { once } from 'node:events'
import { connect } from 'node:http2'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dial, inline, share, start, type Running, type Shared } from './tools.ts'

/** A service whose answers to /wait end at SIGUSR2. */
const gated = inline(`
  const { createServer } = await import('node:http2')
  const waiting = []
  process.on('SIGUSR2', () => waiting.splice(0).forEach((one) => one()))
  const server = createServer((req, res) => {
    if (req.url !== '/wait') res.end('hello')
    else { res.write('begun '); waiting.push(() => res.end('ended')) }
  })
  service.onDrain(() => console.log('draining'))
  console.log('listens', await service.listen(server))`)

async function serve(): Promise<{ running: Running; shared: Shared }> {
  const shared = share()
  return { running: await start(gated, { shared }), shared }
}

/** A frame of HTTP/2 (RFC 9113 §4.1). */
function frame(type: number, flags: number, stream: number, payload: readonly number[] = []): string {
  const { length } = payload
  const head = [
    length >> 16,
    length >> 8,
    length,
    type,
    flags,
    stream >> 24,
    stream >> 16,
    stream >> 8,
    stream,
  ]
  return Buffer.from([...head, ...payload]).toString('latin1')
}
const preface = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frame(4, 0, 0)}`
// GET and http of HPACK's static table; a path and an authority that are written out.
const request = (stream: number, path: string): string =>
  frame(1, 5, stream, [0x82, 0x86, 0x04, path.length, ...Buffer.from(path), 0x41, 1, 0x78])
const goaway = (last: number): string => frame(7, 0, 0, [0, 0, 0, last, 0, 0, 0, 0])

describe('a service with HTTP/2 that drains', () => {
  it('finishes what its clients have begun, and they know what else they may ask elsewhere', async () => {
    const { running, shared } = await serve()
    const line = await dial(shared.port)
    line.socket.setEncoding('latin1')
    line.socket.write(preface + request(1, '/wait'), 'latin1')
    await line.until(/begun /)
    running.child.kill('SIGTERM')
    await expect.poll(() => line.text().includes(goaway(1)), { timeout: 15_000, interval: 10 }).toBe(true)
    line.socket.write(request(3, '/'), 'latin1')
    running.child.kill('SIGUSR2')
    const text = await line.closed
    expect(text).toContain('ended')
    expect(text).not.toContain('hello')
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })

  it('closes idle sessions long before its deadline', async () => {
    const { running, shared } = await serve()
    const session = connect(`http://127.0.0.1:${shared.port}`)
    onTestFinished(() => session.destroy())
    let text = ''
    const stream = session.request({ ':path': '/' })
    for await (const chunk of stream.setEncoding('utf8')) text += String(chunk)
    expect(text).toBe('hello')
    const closed = once(session, 'close')
    running.child.kill('SIGTERM')
    await closed
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })
})
