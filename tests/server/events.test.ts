import { connect, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { PackageRecord } from '../../src/package/record.ts'
import type { PackageServer } from '../../src/server/server.ts'
import { ask, makePackages, moveIn, start, until } from './tools.ts'

interface Stream {
  socket: Socket
  text(): string
  records(): PackageRecord[]
  lastId(): string
}

async function listen(server: PackageServer, query = '', headers = ''): Promise<Stream> {
  const socket = connect(server.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  socket.write(`GET /events${query} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${headers}\r\n`)
  await until('the stream to begin', () => text.includes('\r\n\r\n') && text.includes('id: '))
  const found = (form: RegExp) => [...text.matchAll(form)].map(([, group = '']) => group)
  return {
    socket,
    text: () => text,
    records: () => found(/^data: (\{"schema.*)$/gm).map((line) => JSON.parse(line) as PackageRecord),
    lastId: () => found(/^id: (.*)$/gm).at(-1) ?? '',
  }
}

describe('GET /events', () => {
  it('tells of each package when it appears, as a record', async () => {
    const dir = await makePackages({ 'app-1.0.0-linux-amd64': 'a' })
    const server = await start(dir)
    const stream = await listen(server)
    expect(stream.text()).toContain('Content-Type: text/event-stream')
    await moveIn(dir, 'app-1.1.0-linux-amd64', 'b')
    await moveIn(dir, 'NOTES', 'no package')
    await until('the event', () => stream.records().length > 0)
    expect(stream.records()).toMatchObject([
      { version: '1.1.0', url: `${server.url}/download/app-1.1.0-linux-amd64`, source: server.url, size: 1 },
    ])
  })

  it('tells only of what was asked for', async () => {
    const dir = await makePackages({})
    const server = await start(dir)
    const stream = await listen(server, '?name=app&os=linux&arch=amd64')
    for (const file of [
      'tool-1.0.0-linux-amd64',
      'app-1.0.0-darwin-arm64',
      'app-1.0.0-linux-amd64',
      'app-1.1.0-any-any',
    ])
      await moveIn(dir, file, file)
    await until('two events', () => stream.records().length === 2)
    expect(
      stream
        .records()
        .map(({ file }) => file)
        .sort(),
    ).toEqual(['app-1.0.0-linux-amd64', 'app-1.1.0-any-any'])
    expect((await ask(`${server.url}/events?os=amiga`)).status).toBe(400)
  })

  it('goes on where a client was cut off', async () => {
    const dir = await makePackages({})
    const server = await start(dir)
    const first = await listen(server)
    await moveIn(dir, 'app-1.0.0-linux-amd64', 'a')
    await until('the first event', () => first.records().length === 1)
    const seen = first.lastId()
    first.socket.destroy()
    await moveIn(dir, 'app-1.1.0-linux-amd64', 'b')
    await until('the second package', async () => (await ask(`${server.url}/list`)).text.includes('1.1.0'))
    const second = await listen(server, '', `Last-Event-ID: ${seen}\r\n`)
    await until('what was missed', () => second.records().length === 1)
    expect(second.records()[0]?.version).toBe('1.1.0')
    expect(second.text()).not.toContain('event: reset')
  })

  it.each(['0123456789ab-5', 'rubbish', '0123456789ab-999999999999999'])(
    'says "reset" to a client whose last id (%s) it does not know',
    async (id) => {
      const stream = await listen(await start(await makePackages({})), '', `Last-Event-ID: ${id}\r\n`)
      await until('the reset', () => stream.text().includes('event: reset'))
    },
  )

  it('says "reset" when more was missed than is remembered', async () => {
    const dir = await makePackages({})
    const server = await start(dir, { events: { past: 2 } })
    const id = (await listen(server)).lastId()
    for (const minor of [1, 2, 3]) await moveIn(dir, `app-1.${minor}.0-linux-amd64`, 'x')
    await until(
      'all three',
      async () => (JSON.parse((await ask(`${server.url}/list`)).text) as string[]).length === 3,
    )
    const stream = await listen(server, '', `Last-Event-ID: ${id}\r\n`)
    expect(stream.text()).toContain('event: reset')
  })

  it('shows signs of life', async () => {
    const stream = await listen(await start(await makePackages({}), { events: { heartbeat: 30 } }))
    await until('two comments', () => stream.text().split('\n:\n').length > 2)
  })

  it('cuts off a client that does not read', async () => {
    const dir = await makePackages({})
    const server = await start(dir, { events: { heartbeat: 1, backlog: 2000 } })
    const { socket } = await listen(server)
    const closed = new Promise((resolve) => socket.once('close', resolve))
    const metric = async () => (await ask(`${server.url}/metrics`)).text
    await until('it to be counted', async () => (await metric()).includes('gupper_event_clients 1'))
    socket.pause()
    const before = server.packages
    // The kernel takes some megabytes before the server notices.
    const long = 'x'.repeat(180)
    for (let i = 0; before + i < 4000 && (await metric()).includes('gupper_event_clients 1'); i += 400)
      await Promise.all(
        Array.from({ length: 400 }, (_, j) => moveIn(dir, `${long}-1.${i}.${j}-linux-amd64`, 'x')),
      ).then(() => until('them to be listed', () => server.packages >= i + 400))
    await until('the client to be gone', async () => (await metric()).includes('gupper_event_clients 0'))
    socket.resume()
    await closed
  })

  it('takes no more clients than it can bear', async () => {
    const server = await start(await makePackages({}), { events: { clients: 1 } })
    await listen(server)
    expect((await ask(`${server.url}/events`)).status).toBe(503)
  })

  it('ends when the server stops', async () => {
    const server = await start(await makePackages({}))
    const { socket } = await listen(server)
    const ended = new Promise((resolve) => socket.once('end', resolve))
    await Promise.all([server.close(), ended])
  })
})
