import { chmod, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { silent } from '../../src/package/observer.ts'
import { openWeb } from '../../src/web/web.ts'
import { Service } from './service.ts'
import { ask, bearer, errorOf, makeDir, open, post, token } from './tools.ts'

const guarded = ['/events', '/status']
const acted = ['check', 'upgrade', 'rollback', 'freeze', 'unfreeze', 'restart']

describe('who may look', () => {
  it.each(guarded)('wants the token for %s', async (route) => {
    const { url } = await open()
    const wrong = [
      {},
      { Authorization: 'Bearer wrong' },
      { Authorization: `Bearer ${token}x` },
      { Authorization: 'Bearer' },
      { Authorization: `Basic ${Buffer.from(`user:${token}`).toString('base64')}` },
      { Cookie: `token=${token}` },
    ]
    for (const headers of wrong) {
      const answer = await ask(`${url}${route}?token=${token}`, { headers })
      expect(answer.status).toBe(401)
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="gupper"')
      expect(answer.text).not.toContain('1.2.0')
    }
    expect((await ask(`${url}${route}`, { method: 'HEAD', headers: bearer })).status).toBe(200)
  })

  it('gives everybody the page, which holds no data, the health and the metrics', async () => {
    const { url } = await open()
    for (const route of ['/', '/healthz', '/metrics', '/?x=1'])
      expect((await ask(`${url}${route}`)).status).toBe(200)
    const { text, headers } = await ask(url)
    expect(text).not.toMatch(/1\.2\.0|4711|correct-horse/)
    expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' })
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-.*script-src 'sha256-/,
    )
    expect(headers['set-cookie']).toBeUndefined()
  })

  it('says in JSON how the service is to whoever has the token', async () => {
    const { url, service } = await open()
    const { text, headers } = await ask(`${url}/status`, { headers: bearer })
    expect(JSON.parse(text)).toEqual(service.now)
    expect(headers['cache-control']).toBe('no-store')
  })

  it('reads the token from its file, and another one as soon as it stands there', async () => {
    const file = path.join(await makeDir(), 'token')
    await writeFile(file, 'first\n', { mode: 0o600 })
    const { url } = await open({ token: { file } })
    const statusWith = async (word: string) =>
      (await ask(`${url}/status`, { headers: { Authorization: `Bearer ${word}` } })).status
    expect(await statusWith('first')).toBe(200)
    await writeFile(file, 'second\n')
    expect(await statusWith('first')).toBe(401)
    expect(await statusWith('second')).toBe(200)
    await rm(file)
    expect(await statusWith('second')).toBe(401)
  })

  it('does not start without a token', async () => {
    const view = new Service()
    const file = path.join(await makeDir(), 'token')
    const start = (given: string | { file: string }) => openWeb({ listen: { port: 0 }, view, token: given })
    await expect(start({ file })).rejects.toMatchObject({ code: 'cannot-read' })
    await writeFile(file, ' \n')
    await expect(start({ file })).rejects.toMatchObject({ code: 'config' })
    await writeFile(file, 'one\ntwo\n')
    await expect(start({ file })).rejects.toMatchObject({ code: 'config' })
    await expect(start('')).rejects.toMatchObject({ code: 'config' })
    expect(view.listeners).toBe(0)
  })

  it('warns when others can read the token', async () => {
    const file = path.join(await makeDir(), 'token')
    await writeFile(file, 'first\n')
    await chmod(file, 0o644)
    const warnings: string[] = []
    await open({ token: { file }, observer: { ...silent, warn: (message) => warnings.push(message) } })
    expect(warnings).toEqual([`the token in ${file} can be read by others`])
  })
})

describe('under which name', () => {
  const statusFor = async (url: string, host: string, route = '/') =>
    (await ask(`${url}${route}`, { headers: { Host: host } })).status

  it('answers to its own names, whatever the port: it may be forwarded', async () => {
    const { url, port } = await open()
    for (const host of [
      'localhost',
      'LocalHost',
      '127.0.0.1',
      `localhost:${port}`,
      '[::1]:9',
      `127.0.0.1:${port}`,
    ])
      expect([host, await statusFor(url, host)]).toEqual([host, 200])
  })

  it('refuses every other name, on every route (DNS rebinding)', async () => {
    const { url } = await open()
    const hosts = [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      'a@localhost',
    ]
    for (const host of hosts) expect([host, await statusFor(url, host)]).toEqual([host, 421])
    for (const route of ['/healthz', '/metrics', '/status', '/events'])
      expect(await statusFor(url, 'evil.example', route)).toBe(421)
    expect((await post(url, 'freeze', { headers: { Host: 'evil.example' } })).status).toBe(421)
  })

  it('answers to the address that was asked where it listens everywhere', async () => {
    const { port } = await open({ listen: { host: '0.0.0.0', port: 0 } })
    expect(await statusFor(`http://127.0.0.2:${port}`, `127.0.0.2:${port}`)).toBe(200)
    expect(await statusFor(`http://127.0.0.2:${port}`, `127.0.0.3:${port}`)).toBe(421)
  })

  it('answers to the public name it was told of', async () => {
    const { url, service } = await open({ publicUrl: 'https://web.example/gupper/' })
    expect(await statusFor(url, 'web.example')).toBe(200)
    const Origin = 'https://web.example'
    expect((await post(url, 'freeze', { headers: { Host: 'localhost:1', Origin } })).status).toBe(200)
    expect(service.asked).toEqual(['freeze'])
    await expect(open({ publicUrl: 'web.example' })).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('who may act', () => {
  it.each(acted)('does %s for whoever has the token', async (action) => {
    const { url, service, port } = await open()
    service.answer = () => Promise.resolve('it is done')
    const headers = { Origin: `http://127.0.0.1:${port}`, 'Sec-Fetch-Site': 'same-origin' }
    for (const others of [{}, { headers }]) {
      const answer = await post(url, action, others)
      expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { result: 'it is done' }])
    }
    expect(service.asked).toEqual([action, action])
  })

  it('does nothing without the token', async () => {
    const { url, service } = await open()
    for (const Authorization of ['', 'Bearer wrong', `Token ${token}`]) {
      const answer = await post(url, 'rollback', { headers: { Authorization } })
      expect(answer.status).toBe(401)
      expect(errorOf(answer).code).toBe('denied')
    }
    expect(service.asked).toEqual([])
  })

  it.each([
    { Origin: 'http://evil.example' },
    { Origin: 'null' },
    { Origin: 'http://127.0.0.1:1' },
    { Origin: 'rubbish' },
    { 'Sec-Fetch-Site': 'cross-site' },
    { 'Sec-Fetch-Site': 'same-site' },
    { 'Sec-Fetch-Site': 'none' },
  ])('does nothing for a page from elsewhere, even with the token: %o', async (headers) => {
    const { url, service } = await open()
    expect((await post(url, 'rollback', { headers })).status).toBe(403)
    expect(service.asked).toEqual([])
  })

  it.each(['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data', ''])(
    'does nothing for what a form can send: "%s"',
    async (type) => {
      const { url, service } = await open()
      expect((await post(url, 'rollback', { headers: { 'Content-Type': type } })).status).toBe(415)
      expect(service.asked).toEqual([])
    },
  )

  it('answers no preflight', async () => {
    const { url } = await open()
    const headers = { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' }
    const answer = await ask(`${url}/actions/rollback`, { method: 'OPTIONS', headers })
    expect(answer.status).toBe(405)
    expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
  })
})
