import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openWeb, openWebPlace } from '../../src/web/web.ts'
import { Service } from './service.ts'
import { ask, makeDir, open, token } from './tools.ts'

describe('where the page is served', () => {
  it('is this machine alone, where nothing else was said', async () => {
    const { url, port } = await open()
    expect(url).toBe(`http://127.0.0.1:${port}`)
  })

  it('may be a Unix socket, of this user alone', async () => {
    const socketPath = path.join(await makeDir(), 'web.sock')
    const { url, close } = await open({ listen: { path: socketPath } })
    expect(url).toBe(`unix:${socketPath}`)
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600)
    expect((await ask('http://localhost/healthz', { socketPath })).status).toBe(200)
    await close()
    await expect(stat(socketPath)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('takes the place of a socket whose owner was killed, of no other, and of no file', async () => {
    const socketPath = path.join(await makeDir(), 'web.sock')
    const script = `require('net').createServer().listen(process.argv[1], () => console.log('listening'))`
    const child = spawn(process.execPath, ['-e', script, socketPath])
    await once(child.stdout, 'data')
    await expect(open({ listen: { path: socketPath } })).rejects.toMatchObject({ code: 'unreachable' })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await open({ listen: { path: socketPath } })
    expect((await ask('http://localhost/healthz', { socketPath })).status).toBe(200)
    const file = path.join(path.dirname(socketPath), 'file')
    await writeFile(file, 'precious')
    await expect(open({ listen: { path: file } })).rejects.toMatchObject({ code: 'unreachable' })
    expect((await stat(file)).size).toBe(8)
  })

  it('says that a port is taken, and lets go of the service', async () => {
    const { port } = await open()
    const view = new Service()
    const started = openWeb({ listen: { port }, view, token })
    await expect(started).rejects.toMatchObject({
      code: 'unreachable',
      message: `cannot listen on port ${port} of 127.0.0.1: it is taken`,
    })
    expect(view.listeners).toBe(0)
  })

  it('is taken before there is a service, of which it says 503 until then', async () => {
    const place = await openWebPlace({ listen: { port: 0 }, token })
    onTestFinished(() => place.close(0))
    const early = await ask(`${place.url}/healthz`)
    expect(early.status).toBe(503)
    expect(early.headers['retry-after']).toBe('1')
    await place.serve(new Service())
    expect((await ask(`${place.url}/healthz`)).status).toBe(200)
  })

  it('ends although an action hangs', async () => {
    const { url, service, close } = await open()
    const hanging = new Promise<void>((resolve) => {
      service.answer = () => {
        resolve()
        return new Promise(() => undefined)
      }
    })
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const cut = fetch(`${url}/actions/check`, { method: 'POST', headers }).catch(() => 'cut')
    await hanging
    await close(10)
    expect(await cut).toBe('cut')
  })
})
