import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dial, get, inline, share, start, web, type Running, type Shared } from './tools.ts'

const patient = { VERSION: 'v1' }

/** Tells it to end, and waits until it has stopped accepting: what it answers from then on says close. */
async function drain(running: Running): Promise<void> {
  running.child.kill('SIGTERM')
  await expect.poll(running.text, { timeout: 15_000, interval: 10 }).toContain('draining')
}

/** A service whose answers wait for `GET /go`, and which says when it drains. */
const gated = (options = '{}', more = ''): string[] =>
  inline(`
  const waiting = []
  const server = http.createServer((req, res) => {
    if (req.url === '/go') { res.end('gone'); waiting.splice(0).forEach((one) => one()) }
    else if (req.url === '/wait') waiting.push(() => res.writeHead(200, { connection: 'keep-alive' }).end('waited'))
    else if (req.url === '/begin') { res.write('begun '); waiting.push(() => res.end('ended')) }
    else res.end('hello')
  })
  ${more}
  service.onDrain(() => console.log('draining'))
  console.log('listens', await service.listen(server, ${options}))`)

async function serve(command = gated()): Promise<{ running: Running; shared: Shared }> {
  const shared = share()
  return { running: await start(command, { shared }), shared }
}

describe('a service that drains', () => {
  it('answers the first request of a connection that was accepted before, and says close', async () => {
    const { running, shared } = await serve(gated('{ linger: 20_000 }'))
    const line = await dial(shared.port)
    const other = await dial(shared.port)
    other.send(get('/'))
    await other.until(/hello/)
    await drain(running)
    line.send(get('/'))
    expect(await line.closed).toMatch(/Connection: close\r\n[^]*hello$/)
    other.send(get('/'))
    expect(await other.closed).toMatch(/keep-alive\r\n[^]*hello[^]*Connection: close\r\n[^]*hello$/)
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })

  it('waits for the rest of a head that has begun to come', async () => {
    const { running, shared } = await serve(gated('{ linger: 10 }'))
    const line = await dial(shared.port)
    line.send('GET / HTTP/1.1\r\nHost:')
    const other = await dial(shared.port)
    other.send(get('/'))
    await other.until(/hello/)
    await drain(running)
    await other.closed
    line.send(' service\r\n\r\n')
    expect(await line.closed).toMatch(/Connection: close\r\n[^]*hello$/)
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })

  it('finishes what is under way, whatever a handler says of the connection, and all that was pipelined', async () => {
    const { running, shared } = await serve(gated('{ linger: 20_000 }'))
    const waits = await dial(shared.port)
    const piped = await dial(shared.port)
    const opens = await dial(shared.port)
    waits.send(get('/wait'))
    piped.send(get('/wait'))
    opens.send(get('/begin'))
    const gate = await dial(shared.port)
    await opens.until(/begun/)
    gate.send(get('/'))
    await gate.until(/hello/)
    await drain(running)
    piped.send(get('/') + get('/'))
    gate.send(get('/go'))
    expect(await gate.closed).toMatch(/Connection: close\r\n[^]*gone$/)
    expect(await waits.closed).toMatch(/Connection: close\r\n[^]*waited/)
    expect((await waits.closed).match(/connection:/gi)).toHaveLength(1)
    const answers = (await piped.closed).split('HTTP/1.1 ').slice(1)
    expect(answers.map((answer) => /Connection: close/.test(answer))).toEqual([false, false, true])
    expect(answers.map((answer) => answer.slice(answer.indexOf('\r\n\r\n')))).toEqual([
      expect.stringContaining('waited'),
      '\r\n\r\nhello',
      '\r\n\r\nhello',
    ])
    await opens.until(/ended/)
    opens.send(get('/'))
    expect(await opens.closed).toMatch(/begun [^]*ended[^]*Connection: close\r\n[^]*hello$/)
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })

  it('closes idle connections after a while, without a reset', async () => {
    const { running, shared } = await serve(gated('{ linger: 50 }'))
    const line = await dial(shared.port)
    line.send(get('/'))
    await line.until(/hello/)
    await drain(running)
    expect(await line.closed).toMatch(/hello$/)
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })

  it('cuts what is left at the deadline, says so, and ends', async () => {
    const { running, shared } = await serve(
      gated('{ drain: 100, linger: 10 }', 'setInterval(() => {}, 1000)'),
    )
    const line = await dial(shared.port)
    line.send(get('/begin'))
    await line.until(/begun/)
    running.child.kill('SIGTERM')
    expect(await running.ended).toEqual({ code: 1, signal: null })
    expect(running.text()).toContain('one connection was cut: not done within 0.1 s')
  })

  it('waits for the callbacks of onDrain, also when one fails', async () => {
    const more = `service.onDrain(() => { throw new Error('no') }); const off = service.onDrain(() => console.log('never')); off()`
    const { running } = await serve(gated('{}', more))
    running.child.kill('SIGINT')
    expect(await running.ended).toEqual({ code: 0, signal: null })
    expect(running.text()).toMatch(/a callback of onDrain\(\) failed: Error: no/)
    expect(running.text()).not.toContain('never')
  })

  it('leaves connections that are no HTTP to their program', async () => {
    const text = `
      const all = new Set()
      const server = net.createServer((socket) => { all.add(socket); socket.write('hello'); socket.on('data', () => socket.end('bye')) })
      service.onDrain(() => console.log('draining'))
      console.log(await service.listen(server, { linger: 1 }))`
    const { running, shared } = await serve(inline(text))
    const line = await dial(shared.port)
    await line.until(/hello/)
    await drain(running)
    line.send('x')
    expect(await line.closed).toBe('hellobye')
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })
})

describe('a service that starts', () => {
  const show = `console.log(JSON.stringify(Object.keys(process.env).filter((name) => /LISTEN|READY/.test(name))))`
  const simple = (options: string): string[] =>
    inline(`try { const address = await service.listen(http.createServer(), ${options}); console.log(address.port ?? address); ${show}; process.kill(process.pid, 'SIGTERM') }
      catch (error) { console.log(error.code, error.message, '|', error.hint) }`)
  const run = async (options: string, env: Record<string, string> = {}, shared?: Shared): Promise<string> => {
    const running = await start(simple(options), { env, ...(shared && { shared }) })
    await running.ended
    return running.text()
  }

  it('takes the socket that it inherits, by its name, and leaves nothing to its children', async () => {
    const shared = share()
    expect(await run('{ port: 1 }', { PORT: '1' }, shared)).toBe(`${shared.port}\n[]\n`)
    expect(await run("{ name: 'web' }", { LISTEN_FDNAMES: 'web' }, shared)).toBe(`${shared.port}\n[]\n`)
    expect(await run("{ name: 'web' }", { LISTEN_FDNAMES: 'api' }, shared)).toMatch(
      /^config .*"web".*has: api/,
    )
  })

  it('takes PORT of the environment before its own, and its own without', async () => {
    expect(await run('{ port: 1 }', { PORT: '0', HOST: '127.0.0.1' })).toMatch(/^\d{2,}\n\[\]/)
    expect(await run("{ port: 0, host: '127.0.0.1', reusePort: true }")).toMatch(/^\d{2,}\n\[\]/)
  })

  it('says ready, once it listens', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gupper-service-'))
    onTestFinished(async () => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'ready')
    await writeFile(file, '')
    execFileSync('mkfifo', [join(directory, 'pipe')])
    const words = [
      '/bin/sh',
      '-c',
      'exec 4<>"$0"; "$@"; [ ! -p "$0" ] || read -r line <&4 && echo "said:$line"',
    ]
    const options = { env: { GUPPER_READY_FD: '4' } }
    const plain = await start([...words, file, ...simple("{ port: 0, host: '127.0.0.1' }")], options)
    await plain.ended
    expect(await readFile(file, 'utf8')).toBe('\n')
    const piped = await start(
      [...words, join(directory, 'pipe'), ...simple("{ port: 0, host: '127.0.0.1' }")],
      options,
    )
    await piped.ended
    expect(piped.text()).toContain('said:\n')
  })

  it.each([
    ['{}', {}, /^usage nothing says where to listen \| set PORT/],
    [
      '{}',
      { LISTEN_FDS: '1', LISTEN_PID: '1' },
      /^usage nothing says where to listen \| .*process 1, and this is \d+/,
    ],
    ['{}', { PORT: 'http' }, /^config PORT is "http"/],
    ['{ port: 0, linger: -1 }', {}, /^usage linger takes milliseconds, not -1/],
    [
      "{ port: 0, host: '192.0.2.1' }",
      {},
      /^unreachable cannot listen at 192\.0\.2\.1:0: this machine has no such/,
    ],
  ])('tells what is wrong with %s and %j', async (options, env, message) => {
    expect(await run(options, env as Record<string, string>)).toMatch(message)
  })

  it('tells when what it inherits is no listening socket, and when it is given no server', async () => {
    const { open } = await import('node:fs/promises')
    const file = await open('/dev/null')
    onTestFinished(async () => file.close())
    expect(await run('{}', {}, { fd: file.fd, port: 0 })).toMatch(
      /^config file descriptor 3, .*is no listening socket/,
    )
    const running = await start(
      inline(`await service.listen({}).catch((error) => console.log(error.message))`),
    )
    await running.ended
    expect(running.text()).toMatch(/listen\(\) takes a server/)
  })

  it('ends its streams in a drain: the example', async () => {
    const shared = share()
    const running = await start(web, { shared, env: patient })
    const line = await dial(shared.port)
    line.send(get('/stream'))
    await line.until(/data: v1/)
    const posted = await dial(shared.port)
    posted.send('POST /echo HTTP/1.1\r\nHost: service\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello')
    expect(await posted.closed).toMatch(/hello/)
    running.child.kill('SIGTERM')
    await line.closed
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })
})
