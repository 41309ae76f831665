import { createHash, randomBytes } from 'node:crypto'
import { readdir, readlink, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  ask,
  askRaw,
  listed,
  makePackages,
  moveIn,
  setModified,
  start,
  tagOf,
  until,
  type Answer,
} from './tools.ts'

const name = 'app-1.0.0-linux-amd64'
const small = randomBytes(1000)
const large = randomBytes(3_000_001)

// Both ways that bytes are sent: from memory, and from the disk in several reads.
describe.each([
  ['small', small],
  ['large', large],
])('GET /download of a %s file', (_size, bytes) => {
  const serve = async () => {
    const server = await start(await makePackages({ [name]: bytes }))
    const url = `${server.url}/download/${name}`
    return { server, url, get: (headers: Record<string, string>) => ask(url, { headers }) }
  }

  it('gives its bytes, with its digest as the strong entity tag', async () => {
    const { url } = await serve()
    for (let i = 0; i < 2; i++) {
      const { status, headers, body } = await ask(url)
      expect(status).toBe(200)
      expect(body.equals(bytes)).toBe(true)
      expect(headers).toMatchObject({
        etag: tagOf(bytes),
        'repr-digest': `sha-256=:${createHash('sha256').update(bytes).digest('base64')}:`,
        'accept-ranges': 'bytes',
        'content-type': 'application/octet-stream',
        'content-length': String(bytes.length),
        'x-content-type-options': 'nosniff',
      })
      expect(Date.parse(headers['last-modified'] ?? '')).toBeLessThanOrEqual(Date.now())
    }
  })

  it('answers HEAD without a body, and without heeding Range', async () => {
    const { url } = await serve()
    const { status, headers, body } = await ask(url, { method: 'HEAD', headers: { range: 'bytes=0-1' } })
    expect([status, body.length, headers['content-length']]).toEqual([200, 0, String(bytes.length)])
  })

  it.each([
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=500-', 500, undefined],
    ['bytes=-7', -7, undefined],
  ])('gives the range %s', async (range, from, to) => {
    const { get } = await serve()
    const { status, headers, body } = await get({ range })
    const wanted = bytes.subarray(from, to)
    const first = from < 0 ? bytes.length + from : from
    expect(status).toBe(206)
    expect(body.equals(wanted)).toBe(true)
    expect(headers['content-range']).toBe(`bytes ${first}-${first + wanted.length - 1}/${bytes.length}`)
    expect(headers['content-length']).toBe(String(wanted.length))
    expect(headers.etag).toBe(tagOf(bytes))
  })

  it('gives several ranges as the parts of one answer', async () => {
    const { get } = await serve()
    const answer = await get({ range: 'bytes=0-9,100-199,-5' })
    expect(answer.status).toBe(206)
    expect(answer.headers['content-length']).toBe(String(answer.body.length))
    expect(readParts(answer)).toEqual([
      { range: `bytes 0-9/${bytes.length}`, bytes: bytes.subarray(0, 10) },
      { range: `bytes 100-199/${bytes.length}`, bytes: bytes.subarray(100, 200) },
      { range: `bytes ${bytes.length - 5}-${bytes.length - 1}/${bytes.length}`, bytes: bytes.subarray(-5) },
    ])
  })

  it('refuses a range behind the end with the size it has', async () => {
    const { get } = await serve()
    const { status, headers } = await get({ range: `bytes=${bytes.length}-` })
    expect([status, headers['content-range']]).toEqual([416, `bytes */${bytes.length}`])
  })

  it('ignores a range that is not valid', async () => {
    const { get } = await serve()
    const { status, body } = await get({ range: 'bytes=9-2' })
    expect([status, body.length]).toEqual([200, bytes.length])
  })

  it('resumes under If-Range only the bytes that were begun', async () => {
    const { get } = await serve()
    const modified = (await get({})).headers['last-modified'] ?? ''
    const status = async (ifRange: string) => (await get({ range: 'bytes=5-', 'if-range': ifRange })).status
    expect(await status(tagOf(bytes))).toBe(206)
    expect(await status('"sha256:other"')).toBe(200)
    expect(await status(`W/${tagOf(bytes)}`)).toBe(200)
    expect(await status('Mon, 01 Jan 2001 00:00:00 GMT')).toBe(200)
    expect([200, 206]).toContain(await status(modified)) // 206 once the file is older than a second
  })

  it('answers conditional requests', async () => {
    const { get } = await serve()
    const tag = tagOf(bytes)
    const modified = (await get({})).headers['last-modified'] ?? ''
    const status = async (headers: Record<string, string>) => (await get(headers)).status
    expect(await status({ 'if-none-match': tag })).toBe(304)
    expect(await status({ 'if-none-match': '"x"' })).toBe(200)
    expect(await status({ 'if-none-match': '"x"', 'if-modified-since': modified })).toBe(200)
    expect(await status({ 'if-modified-since': modified })).toBe(304)
    expect(await status({ 'if-modified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).toBe(200)
    expect(await status({ 'if-modified-since': 'rubbish' })).toBe(200)
    expect(await status({ 'if-match': '"x"' })).toBe(412)
    expect(await status({ 'if-match': tag })).toBe(200)
    expect(await status({ 'if-unmodified-since': 'Mon, 01 Jan 2001 00:00:00 GMT' })).toBe(412)
  })
})

describe('GET /download', () => {
  it('serves an empty file', async () => {
    const server = await start(await makePackages({ [name]: '' }))
    const { status, headers, body } = await ask(`${server.url}/download/${name}`)
    expect([status, headers['content-length'], body.length]).toEqual([200, '0', 0])
  })

  it('serves checksums and signatures beside the packages', async () => {
    const server = await start(
      await makePackages({ [name]: 'x', SHA256SUMS: 'sums', [`${name}.minisig`]: 'sig' }),
    )
    expect((await ask(`${server.url}/download/SHA256SUMS`)).text).toBe('sums')
    expect((await ask(`${server.url}/download/${name}.minisig`)).text).toBe('sig')
  })

  it('reaches nothing but the files of the directory, however the name is written', async () => {
    const dir = await makePackages({ [name]: 'fine', '.hidden': 'hidden' })
    await writeFile(path.join(dir, '..', 'secret'), 'secret')
    await symlink('../secret', path.join(dir, 'link-1.0-linux-amd64'))
    const server = await start(dir)
    const targets = [
      '../secret',
      '..%2fsecret',
      '%2e%2e/secret',
      '%2e%2e%2fsecret',
      '%252e%252e%252fsecret',
      '..%5csecret',
      '..\\secret',
      '.hidden',
      '%2ehidden',
      'link-1.0-linux-amd64',
      `${name}%00`,
      `${name}/`,
      `${name}/../../secret`,
      `./${name}`,
      '.',
      '..',
      '',
      '%',
      '%ff',
      `${name}%2f`,
      '/etc/passwd',
      '%2fetc%2fpasswd',
      '//etc/passwd',
      'constructor',
      '__proto__',
      'toString',
    ]
    for (const target of targets) {
      const { status, text } = await ask(server.url, { path: `/download/${target}` })
      expect([target, status, text]).toEqual([target, 404, 'no such package\n'])
    }
    for (const target of [
      '/../secret',
      '/%2e%2e/secret',
      '/etc/passwd',
      '//',
      '/download',
      '/list/',
      '/list/../list',
    ])
      expect((await ask(server.url, { path: target })).status, target).toBe(404)
    expect((await ask(server.url, { path: `/download/${name}?x=1` })).text).toBe('fine')
    expect(
      await askRaw(
        server.port,
        `GET http://any/download/${name} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n`,
      ),
    ).toContain('fine')
  })

  it('does not follow a link that takes the place of a package', async () => {
    const dir = await makePackages({ [name]: large })
    await writeFile(path.join(dir, '..', 'secret'), large)
    const server = await start(dir)
    await rm(path.join(dir, name))
    await symlink('../secret', path.join(dir, name))
    expect((await ask(`${server.url}/download/${name}`)).status).toBe(404)
  })

  it('never sends other bytes than the entity tag stands for', async () => {
    const dir = await makePackages({ [name]: large })
    const server = await start(dir)
    const other = randomBytes(large.length)
    await moveIn(dir, name, other)
    const seen = new Set<number>()
    let wrong = 0
    await until('the new bytes', async () => {
      const { status, headers, body } = await ask(`${server.url}/download/${name}`)
      seen.add(status)
      if (status === 200 && tagOf(body) !== headers.etag) wrong++
      return headers.etag === tagOf(other)
    })
    expect(wrong).toBe(0)
    for (const status of seen) expect([200, 404, 503]).toContain(status)
  })

  it('breaks off when the file changes while it is sent', async () => {
    const huge = Buffer.alloc(64 << 20, 'x')
    const dir = await makePackages({ [name]: huge })
    const server = await start(dir)
    const socket = connect(server.port, '127.0.0.1')
    socket.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.pause()
    await truncate(path.join(dir, name), 1000)
    let received = 0
    socket.on('data', (chunk: Buffer) => (received += chunk.length))
    socket.on('error', () => undefined)
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(received).toBeLessThan(huge.length)
  })

  it('keeps no file open for clients that have gone', async () => {
    const dir = await makePackages({ [name]: Buffer.alloc(64 << 20, 'x') })
    const server = await start(dir)
    const sockets = Array.from({ length: 20 }, () => connect(server.port, '127.0.0.1'))
    for (const socket of sockets) {
      socket.on('error', () => undefined)
      socket.write(`GET /download/${name} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await new Promise((resolve) => socket.once('data', resolve))
      socket.pause()
    }
    if (process.platform === 'linux') expect(await countOpen(dir)).toBe(20)
    for (const socket of sockets) socket.destroy()
    if (process.platform === 'linux')
      await until('the files to be closed', async () => (await countOpen(dir)) === 0)
    expect((await ask(`${server.url}/download/${name}`, { headers: { range: 'bytes=0-0' } })).text).toBe('x')
  })

  it('says nothing of files that were deleted a moment ago', async () => {
    const dir = await makePackages({ [name]: large })
    const server = await start(dir)
    await rm(path.join(dir, name))
    expect((await ask(`${server.url}/download/${name}`)).status).toBe(404)
    await until('it to leave the list', async () => (await listed(server)).length === 0)
  })

  it('does not date a file later than now', async () => {
    const dir = await makePackages({ [name]: 'x' })
    await setModified(path.join(dir, name), new Date(Date.now() + 86_400_000))
    const server = await start(dir)
    const { headers } = await ask(`${server.url}/download/${name}`)
    expect(Date.parse(headers['last-modified'] ?? '')).toBeLessThanOrEqual(Date.now())
  })
})

async function countOpen(dir: string): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return links.filter((link) => link.startsWith(dir + path.sep)).length
}

// A reader of multipart/byteranges of its own, so that the writer is not its own judge.
function readParts({ headers, body }: Answer): { range: string; bytes: Buffer }[] {
  const [, boundary = ''] = /^multipart\/byteranges; boundary=(.+)$/.exec(headers['content-type'] ?? '') ?? []
  const text = body.toString('latin1')
  expect(text.endsWith(`\r\n--${boundary}--\r\n`)).toBe(true)
  return text
    .slice(0, -`\r\n--${boundary}--\r\n`.length)
    .split(`--${boundary}\r\n`)
    .slice(1)
    .map((part, i, parts) => {
      const end = part.indexOf('\r\n\r\n')
      const [, range = ''] = /^content-range: (.*)$/im.exec(part.slice(0, end).replaceAll('\r', '')) ?? []
      const content = part.slice(end + 4)
      return { range, bytes: Buffer.from(i < parts.length - 1 ? content.slice(0, -2) : content, 'latin1') }
    })
}
