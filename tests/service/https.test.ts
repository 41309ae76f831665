import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, it, onTestFinished } from 'vitest'
import { dial, get, inline, share, start } from './tools.ts'

const openssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe.runIf(openssl)('a service with HTTPS (needs openssl for a certificate)', () => {
  it('drains: kept connections get an answer, idle handshakes do not hold it up', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gupper-service-'))
    onTestFinished(async () => rm(directory, { recursive: true, force: true }))
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')]
    const words = `req -x509 -newkey rsa:2048 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=localhost`
    execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
    const shared = share()
    const running = await start(
      inline(`
        const { createServer } = await import('node:https'); const { readFileSync } = await import('node:fs')
        const server = createServer({ cert: readFileSync('${cert}'), key: readFileSync('${key}') }, (req, res) => res.end('hello'))
        service.onDrain(() => console.log('draining'))
        console.log(await service.listen(server, { linger: 3000 }))`),
      { shared },
    )
    const idle = await dial(shared.port)
    const socket = connect({ host: '127.0.0.1', port: shared.port, rejectUnauthorized: false })
    onTestFinished(() => void socket.destroy())
    await once(socket, 'secureConnect')
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.write(get('/'))
    await expect.poll(() => text, { timeout: 15_000, interval: 10 }).toMatch(/keep-alive\r\n[^]*hello$/)
    running.child.kill('SIGTERM')
    await expect.poll(running.text, { timeout: 15_000, interval: 10 }).toContain('draining')
    const ended = once(socket, 'end')
    socket.write(get('/'))
    await ended
    expect(text).toMatch(/hello[^]*Connection: close\r\n[^]*hello$/)
    expect(await idle.closed).toBe('')
    expect(await running.ended).toEqual({ code: 0, signal: null })
  })
})
