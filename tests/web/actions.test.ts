import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { silent } from '../../src/package/observer.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { failing } from './service.ts'
import { ask, bearer, errorOf, open, post, until } from './tools.ts'

describe('actions', () => {
  it('go back to the version that was asked for, or to the previous one', async () => {
    const { url, service } = await open()
    for (const body of ['{"version":"1.1.0"}', '{"version":""}', '{}', ''])
      expect((await post(url, 'rollback', { body })).status).toBe(200)
    expect(service.asked).toEqual(['rollback 1.1.0', 'rollback', 'rollback', 'rollback'])
  })

  it.each([
    ...['{', '[]', '1', 'null', '"x"', '{"version":1}', '{"version":"a b"}', '{"verison":"1.1.0"}'],
    `{"version":"${'1'.repeat(300)}"}`,
  ])('refuse a body that they do not understand: %s', async (body) => {
    const { url, service } = await open()
    const answer = await post(url, 'rollback', { body })
    expect(answer.status).toBe(400)
    expect(errorOf(answer)).toMatchObject({ code: 'usage', hint: expect.stringContaining('{}') as string })
    expect(service.asked).toEqual([])
  })

  it('take no version where there is none to choose', async () => {
    const { url, service } = await open()
    expect((await post(url, 'upgrade', { body: '{"version":"2.0.0"}' })).status).toBe(400)
    expect(service.asked).toEqual([])
  })

  it('refuse a body over 4 KiB, with and without its length told', async () => {
    const { url, service, port } = await open()
    expect((await post(url, 'rollback', { body: ' '.repeat(5000) })).status).toBe(413)
    const socket = connect(port, '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => (answer += chunk))
    const head = `Host: localhost\r\nAuthorization: ${bearer.Authorization}\r\nContent-Type: application/json\r\n`
    socket.write(`POST /actions/rollback HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\n\r\n`)
    socket.write(`1388\r\n${' '.repeat(5000)}\r\n`)
    await until('the refusal', () => answer.startsWith('HTTP/1.1 413'))
    socket.destroy()
    expect(service.asked).toEqual([])
  })

  it('say that there is no such action, no such place, and which methods there are', async () => {
    const { url, service } = await open()
    expect((await post(url, 'destroy')).status).toBe(404)
    expect((await post(url, 'rollback/x')).status).toBe(404)
    expect((await post(url, '')).status).toBe(404)
    expect((await ask(`${url}/nothing`)).status).toBe(404)
    const got = await ask(`${url}/actions/rollback`, { headers: bearer })
    expect([got.status, got.headers.allow]).toEqual([405, 'POST'])
    for (const route of ['/', '/events', '/status', '/healthz', '/metrics']) {
      const posted = await ask(url + route, { method: 'POST', headers: bearer })
      expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
    }
    expect(service.asked).toEqual([])
  })

  it.each<[ErrorCode, number]>([
    ['frozen', 409],
    ['locked', 409],
    ['not-ready', 409],
    ['reverted', 409],
    ['usage', 400],
    ['unreachable', 502],
    ['no-space', 500],
    ['stuck', 503],
  ])('tell why they failed: %s is %i', async (code, status) => {
    const { url, service } = await open()
    service.answer = failing(code, 'web 1.3.0 did not', { hint: 'look at its log' })
    const answer = await post(url, 'upgrade')
    expect(answer.status).toBe(status)
    expect(errorOf(answer)).toEqual({ code, message: 'web 1.3.0 did not', hint: 'look at its log' })
  })

  it('tell nobody but the log of what no one expected', async () => {
    const errors: string[] = []
    const { url, service } = await open({ observer: { ...silent, error: (line) => errors.push(line) } })
    service.answer = () => Promise.reject(new TypeError('secret of /etc/shadow'))
    const answer = await post(url, 'upgrade')
    expect(answer.status).toBe(500)
    expect(errorOf(answer)).toEqual({ code: 'bug', message: 'something went wrong here' })
    expect(errors).toEqual(['POST /actions/upgrade failed: TypeError: secret of /etc/shadow'])
  })

  it('go on when the one who asked has gone', async () => {
    const { url, service } = await open()
    let finish: (result: string) => void = () => undefined
    service.answer = () => new Promise((resolve) => (finish = resolve))
    const socket = new AbortController()
    const gone = fetch(`${url}/actions/freeze`, {
      method: 'POST',
      headers: { ...bearer, 'Content-Type': 'application/json' },
      signal: socket.signal,
    }).catch(() => 'gone')
    await until('it to be asked', () => service.asked.length === 1)
    socket.abort()
    expect(await gone).toBe('gone')
    finish('done')
    await until('it to be done', () => service.now.state === 'FREEZE')
    expect((await ask(`${url}/healthz`)).status).toBe(200)
  })
})
