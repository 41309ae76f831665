import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { createClient, type Client, type ClientOptions, type Limits } from '../../src/net/client.ts'
import { parseToken } from '../../src/net/token.ts'
import { version } from '../../src/version.ts'
import { startHostileServer, type HostileServer, type Sin } from '../hostile-server.ts'

const limits: Partial<Limits> = {
  firstByte: 10_000,
  idle: 10_000,
  rate: 500,
  rateWindow: 400,
  tries: 3,
  backoff: 1,
  maxBackoff: 10,
}
const file = 'app-1.0.0-any-any'
const files = { [file]: Buffer.alloc(1000, 'the bytes of app') }
const closing: (() => unknown)[] = []

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

function connect(options: ClientOptions = {}): Client {
  const client = createClient({ ...options, limits: { ...limits, ...options.limits } })
  closing.push(() => client.close())
  return client
}

async function start(sin: Sin): Promise<HostileServer> {
  const server = await startHostileServer(sin, { files, pace: 10 })
  closing.push(() => server.close())
  return server
}

async function serve(handle: RequestListener): Promise<string> {
  const server: Server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function text(body: AsyncIterable<Buffer>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body)).toString()
}

/** Waits until limits have struck a silent server: they had longer to strike what was begun before. */
async function outlast(limits: Partial<Limits>): Promise<void> {
  const url = await serve((_, response) => void response.write('begin'))
  const { body } = await connect({ limits }).stream(url)
  await expect(text(body)).rejects.toMatchObject({ code: 'unreachable' })
}

describe('get', () => {
  test('gives a small answer whole, and says who asks', async () => {
    const server = await start('none')
    const answer = await connect().get(`${server.url}/list`, { accept: 'application/json' })
    expect(answer).toMatchObject({ status: 200, url: `${server.url}/list` })
    expect(JSON.parse(String(answer.body))).toEqual([file])
    expect(server.requests[0]?.headers).toMatchObject({
      'user-agent': `gupper/${version}`,
      'accept-encoding': 'identity',
      accept: 'application/json',
    })
  })

  test('with the ETag of the last answer it learns that nothing is new, over the same connection', async () => {
    const sockets = new Set()
    const url = await serve(({ headers, socket }, response) => {
      sockets.add(socket)
      if (headers['if-none-match'] === '"1"') response.writeHead(304, { etag: '"1"' }).end()
      else response.writeHead(200, { etag: '"1"' }).end('[]')
    })
    const client = connect()
    const { etag } = await client.get(url)
    for (let n = 0; n < 3; n++)
      expect(await client.get(url, { etag })).toMatchObject({ status: 304, etag: '"1"', body: undefined })
    expect(sockets.size).toBe(1)
  })

  test('a 304 that was not asked for is a breach of the protocol', async () => {
    const url = await serve((_, response) => void response.writeHead(304).end())
    await expect(connect().get(url)).rejects.toMatchObject({ code: 'protocol' })
  })

  test('tries again what may pass, as Retry-After asks, but not longer than its own limit', async () => {
    let asked = 0
    const url = await serve((_, response) => {
      if (++asked < 3) response.writeHead(asked === 1 ? 429 : 503, { 'retry-after': '3600' }).end()
      else response.end('ok')
    })
    const { body } = await connect().get(url)
    expect(String(body)).toBe('ok')
    expect(asked).toBe(3)
  })

  test.each<[Sin, string]>([
    ['million-entries', 'too-large'],
    ['never-ends', 'too-large'],
    ['stalls', 'unreachable'],
    ['drips', 'unreachable'],
    ['slow-headers', 'unreachable'],
    ['gzip-bomb', 'protocol'],
    ['not-http', 'protocol'],
    ['huge-headers', 'protocol'],
    ['redirects-for-ever', 'redirect'],
    ['redirects-to-file', 'redirect'],
    ['unauthorized', 'denied'],
    ['not-found', 'not-found'],
    ['teapot', 'protocol'],
    ['fails-for-ever', 'unreachable'],
  ])('%s: %s', async (sin, code) => {
    const server = await start(sin)
    const url = sin === 'million-entries' ? `${server.url}/list` : `${server.url}/download/${file}`
    const short = sin === 'stalls' || sin === 'slow-headers' ? { firstByte: 300, idle: 300 } : {}
    const client = connect({ limits: { ...short, maxAnswer: 2 ** 20 } })
    await expect(client.get(url)).rejects.toMatchObject({ code })
  })

  test('an answer without end is given up after the time an answer may take', async () => {
    const url = await serve((_, response) => {
      const timer = setInterval(() => response.write('x'.repeat(1000)), 5)
      response.on('close', () => clearInterval(timer))
    })
    await expect(connect({ limits: { answer: 200 } }).get(url)).rejects.toMatchObject({
      message: expect.stringContaining('took more than') as string,
    })
  })

  test('a name that does not exist is told as such, and not tried again', async () => {
    const url = 'http://does-not-exist.invalid/'
    await expect(connect().get(url)).rejects.toMatchObject({
      code: 'unreachable',
      exit: 69,
      message: expect.stringMatching(/no such host|could not be looked up/) as string,
    })
  })

  test('an address that is none is wrong usage', async () => {
    await expect(connect().get('ftp://user:secret@host/')).rejects.toMatchObject({
      code: 'usage',
      message: 'not an http or https address: ftp://host/',
    })
  })

  test('told to stop, it stops at once with the reason it was given', async () => {
    const server = await start('stalls')
    const stop = new AbortController()
    const asking = connect({ signal: stop.signal }).get(`${server.url}/download/${file}`)
    await expect.poll(() => server.requests.length).toBe(1)
    const reason = new Error('enough')
    stop.abort(reason)
    await expect(asking).rejects.toBe(reason)
  })

  test('asks through the proxy of the environment', async () => {
    const asked: string[] = []
    const proxy = await serve(({ url = '' }, response) => {
      asked.push(url)
      response.end('by proxy')
    })
    const client = connect({ env: { HTTP_PROXY: proxy } })
    expect(String((await client.get('http://repo.invalid/list')).body)).toBe('by proxy')
    expect(asked).toEqual(['http://repo.invalid/list'])
  })
})

describe('credentials', () => {
  const seen: [string, string | undefined][] = []
  const record =
    (name: string, next?: () => string): RequestListener =>
    ({ headers }, response) => {
      seen.push([name, headers.authorization])
      if (next) response.writeHead(302, { location: next() }).end()
      else response.end()
    }
  afterEach(() => void seen.splice(0))

  test('those of the address are sent, and stay out of what is told', async () => {
    const url = await serve(record('a'))
    const answer = await connect().get(url.replace('//', '//us%20er:p%40ss@'))
    expect(seen).toEqual([['a', `Basic ${Buffer.from('us er:p@ss').toString('base64')}`]])
    expect(answer.url).toBe(`${url}/`)
    const gone = connect().get('http://user:secret@127.0.0.1:9/')
    await expect(gone).rejects.not.toMatchObject({ message: expect.stringContaining('secret') as string })
  })

  test('a token goes to its origin and not along with a redirect to another', async () => {
    const other = await serve(record('other'))
    const url = await serve(record('first', () => other))
    await connect({ token: parseToken('secret', 'file') }).get(url)
    await connect({ token: parseToken(`${url} one\n${other} two`, 'file') }).get(url)
    expect(seen).toEqual([
      ['first', 'Bearer secret'],
      ['other', undefined],
      ['first', 'Bearer one'],
      ['other', 'Bearer two'],
    ])
  })

  test('a bare token stays at the source it was given for', async () => {
    const url = await serve(record('a'))
    const client = connect({ token: parseToken('secret', 'file') })
    await client.get(url, { source: 'http://elsewhere.invalid' })
    await client.get(url, { source: '' })
    await client.get(`${url}/download/x`, { source: url })
    expect(seen.map(([, sent]) => sent)).toEqual([undefined, undefined, 'Bearer secret'])
  })
})

describe('stream', () => {
  test('gives what comes as it comes', async () => {
    const url = await serve((_, response) => {
      response.write('one\n')
      response.end('two\n')
    })
    const { status, body } = await connect().stream(url, { accept: 'text/event-stream' })
    expect(status).toBe(200)
    expect(await text(body)).toBe('one\ntwo\n')
  })

  test('tries to connect again, but only as often as it is told', async () => {
    const server = await start('fails-for-ever')
    await expect(connect().stream(`${server.url}/download/${file}`, { tries: 1 })).rejects.toMatchObject({
      exit: 69,
    })
    expect(server.requests).toHaveLength(1)
  })

  test('without patience a silent stream breaks; with patience it may be silent', async () => {
    let end = (): void => undefined
    const url = await serve((_, response) => {
      response.write('begin')
      end = () => response.end(' end')
    })
    const silence = { idle: 30, rateWindow: 30 }
    const { body } = await connect({ limits: silence }).stream(url, { idle: Infinity })
    const chunks = body[Symbol.asyncIterator]()
    await chunks.next()
    const rest = chunks.next()
    await outlast(silence)
    end()
    expect(String((await rest).value)).toBe(' end')
  })

  test('what is not read any more is hung up on, also when it was never begun', async () => {
    let open = 0
    const url = await serve((_, response) => {
      open++
      response.on('close', () => open--)
      response.write('x')
    })
    for (const begun of [true, false]) {
      const { body } = await connect().stream(url, { idle: Infinity })
      const chunks = body[Symbol.asyncIterator]()
      if (begun) await chunks.next()
      await chunks.return?.()
      await expect.poll(() => open).toBe(0)
    }
  })

  test('a reader who takes his time is not taken for a slow server', async () => {
    const url = await serve((_, response) => void response.end(Buffer.alloc(2 ** 21)))
    const haste = { idle: 50, rateWindow: 50, rate: 1e6 }
    const { body } = await connect({ limits: haste }).stream(url)
    let size = 0
    for await (const chunk of body) {
      if (size === 0) await outlast(haste)
      size += chunk.length
    }
    expect(size).toBe(2 ** 21)
  })
})

const certificate = makeCertificate()

describe.skipIf(certificate === undefined)('TLS (needs openssl)', () => {
  afterAll(() => {
    if (certificate) rmSync(certificate.dir, { recursive: true })
  })

  test('a certificate that nobody vouches for is refused, and the hint says how to trust it', async () => {
    const server = await startHostileServer('none', { files, tls: certificate as never })
    closing.push(() => server.close())
    await expect(connect().get(`${server.url}/list`)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('self-signed') as string,
      hint: expect.stringContaining('NODE_EXTRA_CA_CERTS') as string,
    })
    expect(server.requests).toEqual([])
  })

  test('a redirect from https to http is not followed', async () => {
    const server = await startHostileServer('redirects-to-http', { files, tls: certificate as never })
    closing.push(() => server.close())
    // Trust in an authority of one's own comes from the environment of a process that starts.
    const script = `import { createClient } from ${JSON.stringify(new URL('../../src/net/client.ts', import.meta.url).href)}
      const client = createClient()
      await client.get(${JSON.stringify(`${server.url}/download/${file}`)}).catch((error) => console.log(error.code))
      client.close()`
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(certificate?.dir ?? '', 'cert.pem') }
    const args = ['--input-type=module', '-e', script]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env })
    expect(stdout).toBe('redirect\n')
  })
})

function makeCertificate(): { dir: string; key: string; cert: string } | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'gupper-tls-'))
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')]
  const subject = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-x509']
  try {
    execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' })
    return { dir, key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
  } catch {
    rmSync(dir, { recursive: true })
    return undefined
  }
}
