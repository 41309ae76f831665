import { describe, expect, it } from 'vitest'
import { Service } from './service.ts'
import { ask, bearer, listen, open, until, type Stream } from './tools.ts'

const closed = (stream: Stream) => new Promise((resolve) => stream.socket.once('close', resolve))

describe('GET /events', () => {
  it('begins with all there is to know', async () => {
    const service = new Service()
    service.say('before')
    service.record({ event: 'started', to: '1.2.0' })
    const { port } = await open({}, service)
    const stream = await listen(port)
    expect(stream.text()).toContain('Content-Type: text/event-stream')
    expect(stream.text()).toContain('Cache-Control: no-store')
    expect(stream.events()).toMatchObject([
      {
        event: 'reset',
        data: {
          status: { version: '1.2.0' },
          trail: ['idle'],
          history: [{ event: 'started' }],
          lines: [{ stream: 'stdout', line: 'before' }],
        },
      },
    ])
  })

  it('tells of every change, in order', async () => {
    const { port, service } = await open()
    const stream = await listen(port)
    service.say('one')
    service.become({ phase: 'staged' })
    service.say('two', 'stderr')
    service.record({ event: 'switch', to: '1.3.0' })
    await until('four events', () => stream.events().length === 5)
    expect(stream.events().slice(1)).toMatchObject([
      { event: 'change', data: { lines: [{ stream: 'stdout', line: 'one' }] } },
      { event: 'change', data: { status: { phase: 'staged' }, trail: ['idle', 'staged'] } },
      { event: 'change', data: { lines: [{ stream: 'stderr', line: 'two' }] } },
      { event: 'change', data: { history: [{ event: 'switch' }] } },
    ])
  })

  it('remembers through which phases a hand-over went', async () => {
    const { port, service } = await open()
    for (const phase of ['staged', 'starting', 'probing', 'reverting', 'reverted'] as const)
      service.become({ phase })
    const stream = await listen(port)
    expect(stream.events().at(-1)?.data.trail).toEqual([
      ...['idle', 'staged', 'starting', 'probing', 'reverting', 'reverted'],
    ])
    service.become({ phase: 'staged' })
    await until('the next one', () => stream.events().at(-1)?.data.status?.phase === 'staged')
    expect(stream.events().at(-1)?.data.trail).toEqual(['idle', 'staged'])
  })

  it('takes the good way to have been gone where it did not see it', async () => {
    const service = new Service()
    service.become({ phase: 'probing' })
    const { port } = await open({}, service)
    expect((await listen(port)).events()[0]?.data.trail).toEqual(['idle', 'staged', 'starting', 'probing'])
  })

  it('goes on where a reader was cut off', async () => {
    const { port, service } = await open()
    const first = await listen(port)
    const id = first.events()[0]?.id ?? ''
    first.socket.destroy()
    service.say('missed')
    service.become({ phase: 'staged' })
    const second = await listen(port, { 'Last-Event-ID': id })
    await until('what was missed', () => second.events().length === 2)
    expect(second.events().map(({ event }) => event)).toEqual(['change', 'change'])
    expect(second.lines()).toEqual(['missed'])
    const third = await listen(port, { 'Last-Event-ID': second.events()[1]?.id ?? '' })
    expect(third.events()).toEqual([])
  })

  it.each(['0123456789ab-0', 'rubbish', '0123456789ab-999999999999999'])(
    'begins anew for a reader whose last id (%s) it does not know',
    async (id) => {
      const { port } = await open()
      const stream = await listen(port, { 'Last-Event-ID': id })
      expect(stream.events().map(({ event }) => event)).toEqual(['reset'])
    },
  )

  it('begins anew when more was missed than is remembered', async () => {
    const { port, service } = await open({ limits: { past: 2 } })
    const id = (await listen(port)).events()[0]?.id ?? ''
    for (const restarts of [1, 2, 3]) service.become({ restarts })
    expect((await listen(port, { 'Last-Event-ID': id })).events()[0]?.event).toBe('reset')
  })

  it('loses and repeats no line, whenever a reader comes', async () => {
    const service = new Service()
    // Lines that come while the log is read: some are in it already, some not.
    service.logTail = () => {
      service.say('during, read')
      const tail = [...service.lines]
      service.say('during, not read')
      return Promise.resolve(tail)
    }
    service.say('before')
    const { port } = await open({}, service)
    service.say('waiting')
    const stream = await listen(port)
    service.say('after')
    const all = ['before', 'during, read', 'during, not read', 'waiting', 'after']
    await until('the last line', () => stream.lines().length >= all.length)
    expect(stream.lines()).toEqual(all)
  })

  it('leaves out what comes too fast, and says how much', async () => {
    const { port, service } = await open({ limits: { lines: 10 } })
    const stream = await listen(port)
    for (let i = 1; i <= 1000; i++) service.say(`line ${i}`)
    service.become({ restarts: 1 })
    await until('the lines', () => stream.lines().includes('line 1000'))
    expect(stream.events()[1]?.data).toMatchObject({ skipped: 990 })
    expect(stream.lines()).toHaveLength(10)
  })

  it('cuts lines without end, and takes the colours and whatever moves a cursor out of them', async () => {
    const { port, service } = await open()
    service.say('x'.repeat(10_000_000))
    service.say('\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07\x07 \x9b2J\u202eabc\r')
    const lines = (await listen(port)).lines()
    expect(lines[0]).toBe(`${'x'.repeat(2000)}… (9998000 more)`)
    expect(lines[1]).toBe('red link␇ \u202eabc')
  })

  it('shows signs of life', async () => {
    const { port } = await open({ limits: { heartbeat: 20 } })
    const stream = await listen(port)
    await until('two comments', () => stream.text().split('\n:\n').length > 2)
  })

  it('cuts off a reader that does not read', async () => {
    const { port, service } = await open({ limits: { backlog: 10_000, clients: 1 } })
    const stream = await listen(port)
    const gone = closed(stream)
    stream.socket.pause()
    const mayCome = async () =>
      (await ask(`http://127.0.0.1:${port}/events`, { method: 'HEAD', headers: bearer })).status
    expect(await mayCome()).toBe(503)
    // The kernel takes some megabytes before the server notices.
    const reason = 'x'.repeat(100_000)
    await until('it to be cut off', async () => {
      for (let i = 0; i < 20; i++) service.become({ reason })
      return (await mayCome()) === 200
    })
    stream.socket.resume()
    await gone
  })

  it('takes no more readers than it can bear', async () => {
    const { port, url } = await open({ limits: { clients: 1 } })
    const first = await listen(port)
    const refused = await ask(`${url}/events`, { headers: bearer })
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '10'])
    first.socket.destroy()
    const again = async () => (await ask(`${url}/events`, { method: 'HEAD', headers: bearer })).status === 200
    await until('the place to be free', again)
  })

  it('ends when the page does, and lets go of the service', async () => {
    const { port, service, close } = await open()
    const stream = await listen(port)
    expect(service.listeners).toBe(1)
    await Promise.all([close(), closed(stream)])
    expect(service.listeners).toBe(0)
  })
})
