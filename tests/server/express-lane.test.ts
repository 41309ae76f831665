import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PackageServer } from '../../src/server/server.ts'
import { ask, makePackages, moveIn, start, until } from './tools.ts'

const name = 'app-1.0.0-linux-amd64'
const poll = 'GET /list HTTP/1.1\r\nHost: x\r\n\r\n'

/** One connection on which requests are sent as they are written. */
async function open(
  server: PackageServer,
): Promise<{ socket: Socket; send: (text: string) => Promise<string>; all: () => string }> {
  const socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  let all = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => (all += chunk))
  socket.on('error', () => undefined)
  return {
    socket,
    all: () => all,
    // Sends, and returns the one answer that comes.
    send: async (text) => {
      const before = all.length
      socket.write(text, 'latin1')
      const whole = (): boolean => {
        const answer = all.slice(before)
        const end = answer.indexOf('\r\n\r\n')
        const length = text.startsWith('HEAD') ? 0 : Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? 0)
        return end >= 0 && answer.length >= end + 4 + length
      }
      await until('an answer', whole)
      return all.slice(before)
    },
  }
}

const undated = (answer: string): string => answer.replace(/\r\nDate: [^\r]*/, '')

// Of the same requests on one connection, the later ones are answered without node:http.
describe('requests that repeat', () => {
  it.each([
    ['the list', poll],
    ['the head of the list', poll.replace('GET', 'HEAD')],
    ['records', poll.replace('Host', 'Accept: application/x-ndjson\r\nHost')],
    ['a download', `GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`],
    ['a range', `GET /download/${name} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n\r\n`],
    ['what is not there', 'GET /download/none HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['the page', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ])('for %s get the same answer but for its date', async (_, request) => {
    const server = await start(await makePackages({ [name]: 'content' }))
    await ask(`${server.url}/download/${name}`) // now it is in memory
    const { send } = await open(server)
    const first = await send(request)
    for (let i = 0; i < 5; i++) {
      const again = await send(request)
      expect(undated(again)).toBe(undated(first))
      expect(Math.abs(Date.parse(/Date: ([^\r]*)/.exec(again)?.[1] ?? '') - Date.now())).toBeLessThan(20_000)
    }
  })

  it('get 304 as often as they ask with the tag', async () => {
    const server = await start(await makePackages({ [name]: 'content' }))
    const { etag = '' } = (await ask(`${server.url}/list`)).headers
    const { send } = await open(server)
    for (let i = 0; i < 4; i++)
      expect(await send(`GET /list HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${etag}\r\n\r\n`)).toMatch(
        /^HTTP\/1.1 304 Not Modified\r\n/,
      )
  })

  it('see what has changed', async () => {
    const dir = await makePackages({ [name]: 'content' })
    const server = await start(dir)
    const { send } = await open(server)
    for (let i = 0; i < 3; i++) expect(await send(poll)).toContain(`["${name}"]`)
    await moveIn(dir, 'app-2.0.0-linux-amd64', 'x')
    await until('the new one', async () => (await send(poll)).includes('app-2.0.0'))
    await rm(path.join(dir, name))
    await until('the old one to go', async () => !(await send(poll)).includes(name))
  })

  it('are counted and logged like others', async () => {
    let log = ''
    const sink = (lines: string): boolean => ((log += lines), true)
    const server = await start(await makePackages({ [name]: 'x' }), { accessLog: { sink, format: 'text' } })
    const { send, socket } = await open(server)
    for (let i = 0; i < 5; i++) await send(poll)
    expect((await ask(`${server.url}/metrics`)).text).toContain(
      'gupper_requests_total{route="list",status="200"} 5\n',
    )
    socket.destroy()
    await server.close()
    expect(log.match(/GET \/list 200 26 \d+\.\dms from 127/g)).toHaveLength(5)
  })

  it('inside the body of another request are no requests', async () => {
    const server = await start(await makePackages({ [name]: 'x' }))
    const { send, socket, all } = await open(server)
    await send(poll)
    await send(poll)
    const post = `POST /list HTTP/1.1\r\nHost: x\r\nContent-Length: ${2 * poll.length}\r\n\r\n`
    expect(await send(post)).toMatch(/^HTTP\/1.1 405/)
    const before = all().length
    socket.write(poll)
    await new Promise((resolve) => socket.write('', resolve))
    expect((await ask(`${server.url}/healthz`)).status).toBe(200) // the server has had its turn
    socket.write(poll)
    expect(await send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n')).toContain('ok\n')
    expect(
      all()
        .slice(before)
        .match(/HTTP\/1\.1 /g),
    ).toHaveLength(1)
  })

  it('in the middle of a head that came in pieces are no requests', async () => {
    const server = await start(await makePackages({ [name]: 'x' }))
    const { send, socket, all } = await open(server)
    await send(poll)
    await send(poll)
    const before = all().length
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Odd: ')
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    await send(poll) // ends the head: a field "X-Odd: GET /list …", then one "Host: x" too many
    expect(
      all()
        .slice(before)
        .match(/HTTP\/1\.1 /g),
    ).toHaveLength(1)
    expect(all().slice(before)).not.toContain(name)
  })

  it('wait for the answer before them', async () => {
    const large = 'y'.repeat(20 << 20)
    const server = await start(await makePackages({ [name]: large }))
    const { send, socket, all } = await open(server)
    await send(poll)
    await send(poll)
    const before = all().length
    socket.pause()
    socket.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    socket.write(poll)
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    socket.resume()
    await until('both answers', () => all().slice(before).endsWith(`["${name}"]\n`))
    const answers = all().slice(before)
    expect(answers.indexOf('["app')).toBeGreaterThan(answers.lastIndexOf('y'))
  })

  it('are no longer answered while the directory is gone, nor kept when the server stops', async () => {
    const server = await start(await makePackages({ [name]: 'x' }))
    const { send, socket } = await open(server)
    const ended = once(socket, 'close')
    for (let i = 0; i < 3; i++) await send(poll)
    await server.close()
    await ended
  })

  it('from a client that never reads do not pile up', async () => {
    const files = Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`app-1.0.${i}-linux-amd64`, '']))
    const server = await start(await makePackages(files))
    const { send, socket } = await open(server)
    await send(poll)
    await send(poll)
    socket.pause()
    const before = process.memoryUsage().rss
    // One after the other, so that each is a chunk of its own; 36 kB of answer each, 180 MB in all.
    for (let i = 0; i < 5000 && socket.writableLength < 100_000; i++) {
      socket.write(poll)
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    expect(process.memoryUsage().rss - before).toBeLessThan(100 << 20)
  })
})
