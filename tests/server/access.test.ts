import { chmod, rename, writeFile } from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { request } from 'node:https'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { silent } from '../../src/package/observer.ts'
import { ask, makeDir, makePackages, start, until } from './tools.ts'

const name = 'app-1.0.0-linux-amd64'

async function makeTokens(text: string): Promise<string> {
  const file = path.join(await makeDir(), 'tokens')
  await writeFile(file, text, { mode: 0o600 })
  return file
}

describe('a token file', () => {
  it('is needed for every route but /healthz', async () => {
    const server = await start(await makePackages({ [name]: 'x' }), {
      tokenFile: await makeTokens('secret\n'),
    })
    for (const target of [
      '/',
      '/list',
      `/download/${name}`,
      '/download/none',
      '/events',
      '/metrics',
      '/nothing',
    ]) {
      const { status, headers, text } = await ask(server.url + target)
      expect([target, status, text]).toEqual([target, 401, 'a token is needed\n'])
      expect(headers['www-authenticate']).toBe('Bearer realm="gupper", Basic realm="gupper", charset="UTF-8"')
    }
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    expect((await ask(`${server.url}/list`, { method: 'POST', body: 'x' })).status).toBe(401)
  })

  it('opens with any of its tokens, as bearer or as password', async () => {
    const file = await makeTokens('# for the build\nfirst\r\n\n  second  \n#third\n')
    const server = await start(await makePackages({ [name]: 'x' }), { tokenFile: file })
    const status = async (authorization: string) =>
      (await ask(`${server.url}/list`, { headers: { authorization } })).status
    const basic = (pair: string) => `Basic ${Buffer.from(pair).toString('base64')}`
    for (const good of [
      'Bearer first',
      'bearer second',
      'Bearer  first',
      basic('anyone:second'),
      basic(':first'),
    ])
      expect(await status(good), good).toBe(200)
    for (const bad of [
      '',
      'Bearer',
      'Bearer third',
      'Bearer #third',
      'Bearer firs',
      'Bearer first x',
      'first',
      'Basic first',
      basic('first'),
      basic('first:'),
      'Digest first',
      basic('a:b:first'),
    ])
      expect(await status(bad), bad).toBe(401)
  })

  it('is read again when it changes; a broken one changes nothing', async () => {
    const file = await makeTokens('old\n')
    const warnings: string[] = []
    const observer = { ...silent, warn: (message: string) => void warnings.push(message) }
    const server = await start(await makePackages({}), { tokenFile: file, observer })
    const status = async (token: string) =>
      (await ask(`${server.url}/list`, { headers: { authorization: `Bearer ${token}` } })).status
    expect(await status('old')).toBe(200)
    await writeFile(`${file}.new`, 'new\n', { mode: 0o600 })
    await rename(`${file}.new`, file)
    await until('the new token', async () => (await status('new')) === 200)
    expect(await status('old')).toBe(401)
    await writeFile(file, '# nothing left\n')
    await until('the warning', () => warnings.length > 0)
    expect(warnings[0]).toContain('the tokens known before stay')
    expect(await status('new')).toBe(200)
  })

  it('without a token is refused, and one that others may read is warned of', async () => {
    const dir = await makePackages({})
    await expect(start(dir, { tokenFile: await makeTokens('# none\n\n') })).rejects.toMatchObject({
      code: 'config',
      exit: 78,
    })
    await expect(start(dir, { tokenFile: '/nowhere' })).rejects.toMatchObject({ code: 'cannot-read' })
    const file = await makeTokens('x')
    await chmod(file, 0o644)
    const warnings: string[] = []
    await start(dir, {
      tokenFile: file,
      observer: { ...silent, warn: (message) => void warnings.push(message) },
    })
    expect(warnings).toEqual([`the tokens in ${file} can be read by everyone here`])
  })
})

const openssl = ((): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})()

describe.runIf(openssl)('HTTPS (needs openssl for a certificate)', () => {
  it('serves under its certificate, and writes https URLs', async () => {
    const dir = await makeDir()
    const tls = { cert: path.join(dir, 'cert.pem'), key: path.join(dir, 'key.pem') }
    const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 1 -keyout ${tls.key} -out ${tls.cert}`
    execFileSync('openssl', words.split(' '), { stdio: 'ignore' })
    const server = await start(await makePackages({ [name]: 'x'.repeat(200_000) }), { tls })
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    const get = (target: string, headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        request(server.url + target, { rejectUnauthorized: false, headers, agent: false }, (res) => {
          let text = ''
          res.on('data', (chunk: Buffer) => (text += chunk.toString()))
          res.on('end', () => resolve(text))
        })
          .on('error', reject)
          .end()
      })
    expect(await get('/list', { accept: 'application/x-ndjson' })).toContain(
      `"url":"${server.url}/download/${name}"`,
    )
    expect((await get(`/download/${name}`, {})).length).toBe(200_000)
  })
})
