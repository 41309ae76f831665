import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Candidate } from '../../src/readiness/check.ts'
import { expectNever, makeDeadline, makeDirectory, tryOut, wait } from './tools.ts'

async function listen(
  server: Server,
  where: { port: number; host: string } | { path: string },
): Promise<number> {
  server.listen(where)
  await once(server, 'listening')
  onTestFinished(async () => {
    if ('closeAllConnections' in server) (server as ReturnType<typeof createServer>).closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

const loopback = { port: 0, host: '127.0.0.1' }
const at = (port: number, host = '127.0.0.1'): Partial<Candidate> => ({ address: { host, port } })

async function answering(handler: RequestListener, host = '127.0.0.1'): Promise<Partial<Candidate>> {
  return at(await listen(createServer(handler), loopback), host)
}

/** An address where nobody listens any more. */
async function deserted(): Promise<Partial<Candidate>> {
  const server = createTcpServer()
  server.listen(loopback)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return at(port)
}

async function askOnce(check: string, address: Partial<Candidate>): Promise<string | undefined> {
  const { prepared, candidate } = await tryOut(check, ':', address)
  return prepared.again(candidate, new AbortController().signal)
}

describe('http', () => {
  it.each([200, 204, 302])('is ready at %d', async (status) => {
    const address = await answering((_, res) => res.writeHead(status, { Location: '/elsewhere' }).end())
    await expect(wait(await tryOut('http:/', ':', address))).resolves.toBeUndefined()
  })

  it('asks again until the right version answers, and says nothing of what came before', async () => {
    const asked: string[] = []
    const address = await answering((req, res) => {
      asked.push(req.url ?? '')
      if (asked.length === 1) res.writeHead(503).end()
      else if (asked.length === 2) res.destroy()
      else res.end(asked.length === 3 ? 'v1.1.0' : 'v1.2.0')
    })
    await wait(await tryOut('http:/version/{version}=v{version}', ':', address))
    expect(asked).toEqual(Array(4).fill('/version/1.2.0'))
  })

  it.each([
    ['http:/version', 500, '', /GET \/version answered 500/],
    ['http:/version={version}', 200, 'v1.1.0', /answered "v1\.1\.0", which does not hold "1\.2\.0"/],
    ['http:/x', 404, '', /GET \/x answered 404/],
  ])('%s is never ready at %d %s', async (check, status, body, reason) => {
    const { signal, pass } = makeDeadline()
    let asked = 0
    const address = await answering((_, res) => {
      res.writeHead(status).end(body)
      if (++asked === 2) pass()
    })
    const { prepared, candidate } = await tryOut(check, ':', address)
    await expect(prepared.wait(candidate, signal)).rejects.toThrow(reason)
    expect(await prepared.again(candidate, new AbortController().signal)).toMatch(reason)
  })

  it('asked once more at a shared address, goes on until the program itself answers', async () => {
    let asked = 0
    const address = await answering((_, res) => res.end(++asked < 5 ? 'v1.1.0' : 'v1.2.0'))
    const { prepared, candidate } = await tryOut('http:/=v{version}', ':', { ...address, shared: true })
    expect(await prepared.again(candidate, new AbortController().signal)).toBeUndefined()
    expect(asked).toBe(5)
  })

  it('asked once more at a shared address, says at the deadline what the last answer was', async () => {
    const { signal, pass } = makeDeadline()
    let asked = 0
    const address = await answering((_, res) => {
      res.end('v1.1.0')
      if (++asked === 3) pass()
    })
    const { prepared, candidate } = await tryOut('http:/=v{version}', ':', { ...address, shared: true })
    expect(await prepared.again(candidate, signal)).toMatch(/answered "v1\.1\.0", which does not hold/)
  })

  it('looks at the first 64 KiB of an answer without an end', async () => {
    const address = await answering((_, res) => {
      const more = (): void => {
        while (!res.destroyed && res.write('x'.repeat(1 << 16)));
        res.once('drain', more)
      }
      more()
    })
    const { prepared, candidate } = await tryOut('http:/=1.2.0', ':', address)
    expect(await prepared.again(candidate, new AbortController().signal)).toMatch(/does not hold "1\.2\.0"/)
  })

  it('gives up an answer that does not come, and asks again', async () => {
    let asked = 0
    const address = await answering((_, res) => {
      if (++asked > 1) res.end()
    })
    await wait(await tryOut('http:/', ':', address))
    expect(asked).toBe(2)
  })

  it('says that nothing listens, or that it is no HTTP', async () => {
    expect(await askOnce('http:/', await deserted())).toMatch(/^nothing listens at 127\.0\.0\.1:\d+$/)
    const port = await listen(
      createTcpServer((socket) => socket.resume().end('hello\r\n\r\n')),
      loopback,
    )
    expect(await askOnce('http:/', at(port))).toMatch(/^GET \/: /)
  })

  it('reaches wildcard addresses and Unix sockets', async () => {
    await wait(await tryOut('http:/', ':', await answering((_, res) => res.end(), '0.0.0.0')))
    const path = join(await makeDirectory(), 'socket')
    await listen(
      createServer((_, res) => res.end()),
      { path },
    )
    await expect(wait(await tryOut('http:/', ':', { address: { path } }))).resolves.toBeUndefined()
  })

  it('is told what aborted it, when that is no deadline', async () => {
    const { prepared, candidate } = await tryOut('http:/', ':', await deserted())
    const reason = new Error('the program ended')
    await expect(prepared.wait(candidate, AbortSignal.abort(reason))).rejects.toBe(reason)
    await expect(prepared.again(candidate, AbortSignal.abort(reason))).rejects.toBe(reason)
  })
})

describe('tcp', () => {
  it('is ready when a connection is accepted', async () => {
    const port = await listen(
      createTcpServer((socket) => socket.destroy()),
      loopback,
    )
    await expect(wait(await tryOut('tcp', ':', at(port)))).resolves.toBeUndefined()
  })

  it('is not ready while nothing listens, and wants an address', async () => {
    expect(await askOnce('tcp', await deserted())).toMatch(/^nothing listens at/)
    await expect(wait(await tryOut('tcp', ':'))).rejects.toMatchObject({ code: 'config' })
  })
})

describe('exec', () => {
  it('asks a shell line until it exits with 0, and tells it of the program', async () => {
    const trial = await tryOut(
      'exec:[ -e asked ] && echo "$GUPPER_PID $GUPPER_VERSION $PORT $HOST" >told; r=$?; touch asked; exit $r',
      ':',
      at(4711),
    )
    await wait(trial)
    const { cwd, pid } = trial.candidate
    expect(await readFile(join(cwd, 'told'), 'utf8')).toBe(`${pid} 1.2.0 4711 127.0.0.1\n`)
  })

  it('says what it said last', async () => {
    const { prepared, candidate } = await tryOut('exec:echo a; echo no database >&2; exit 3', ':')
    expect(await prepared.again(candidate, new AbortController().signal)).toMatch(
      /exited with 3: no database$/,
    )
  })

  it('leaves nothing behind when it is aborted', async () => {
    const directory = await makeDirectory()
    const controller = new AbortController()
    const { prepared, candidate } = await tryOut('exec:touch begun; sleep 100', ':', { cwd: directory })
    const waiting = prepared.wait(candidate, controller.signal)
    waiting.catch(() => undefined)
    await expect.poll(() => existsSync(join(directory, 'begun')), { timeout: 8000 }).toBe(true)
    controller.abort(new Error('stopped'))
    await expect(waiting).rejects.toThrow('stopped')
  })
})

describe('exec, too', () => {
  it('has the version in the place of {version}', async () => {
    expect(await askOnce('exec:[ {version} = 1.2.0 ]', {})).toBeUndefined()
  })
})

describe('log', () => {
  it('is ready at a line that matches, whether it was written before or after', async () => {
    const directory = await makeDirectory()
    const trial = await tryOut(
      'log:^listening on \\d+$',
      `until [ -e '${directory}/go' ]; do sleep 0.02; done
      printf 'listening on x\\nlistening on 80\\n'`,
    )
    const waiting = wait(trial)
    await writeFile(join(directory, 'go'), '')
    await waiting
    await expect(wait(trial)).resolves.toBeUndefined()
  })

  it('takes {version} in a pattern literally', async () => {
    await wait(await tryOut('log:^web {version} is up$', 'echo web 1x2x0 is up; echo web 1.2.0 is up'))
    await expectNever(
      await tryOut('log:^web {version} is up$', 'echo web 1x2x0 is up; exec sleep 1000'),
      /1\\.2\\.0/,
    )
  })

  it('is not ready without one, and looks at the first 16 KiB of a line', async () => {
    const trial = await tryOut('log:END', 'perl -e \'print "x" x 20000, "END\\nother\\n"\'')
    const other = await tryOut('log:other', 'perl -e \'print "x" x 20000, "END\\nother\\n"\'')
    await wait(other)
    await expectNever(trial, /its log has no line that matches \/END\/u yet/)
  })
})
