import path from 'node:path'
import { symlink, mkdir, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { choose } from '../../src/package/filter.ts'
import { parseItem, type PackageRecord } from '../../src/package/record.ts'
import { ask, listed, makePackages, moveIn, start, until } from './tools.ts'

const ndjson = { accept: 'application/x-ndjson' }
const files = {
  'app-1.9-linux-amd64': 'a',
  'app-1.10.0-linux-amd64': 'b',
  'app-1.10.0-darwin-arm64': 'c',
  'app-2.0.0-beta.1-linux-amd64': 'd',
  'tool-0.1.0-any-any.tar.gz': 'e',
}

function records(text: string): PackageRecord[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => parseItem(JSON.parse(line)) as PackageRecord)
}

describe('GET /list', () => {
  it('is a sorted JSON array of the names of all packages', async () => {
    const server = await start(
      await makePackages({ ...files, SHA256SUMS: 'x', '.hidden-1.0-linux-amd64': 'y' }),
    )
    const { headers, text, status } = await ask(`${server.url}/list`)
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json')
    expect(JSON.parse(text)).toEqual(Object.keys(files).sort())
  })

  it('is an empty array for an empty directory', async () => {
    expect(await listed(await start(await makePackages({})))).toEqual([])
  })

  it('leaves out links, directories and names that begin with a dot', async () => {
    const dir = await makePackages({ '.secret-1.0-linux-amd64': 'x', 'app-1.0-linux-amd64': 'y' })
    await mkdir(path.join(dir, 'dir-1.0-linux-amd64'))
    await symlink('/etc/passwd', path.join(dir, 'link-1.0-linux-amd64'))
    await symlink('app-1.0-linux-amd64', path.join(dir, 'inner-1.0-linux-amd64'))
    expect(await listed(await start(dir))).toEqual(['app-1.0-linux-amd64'])
  })

  it('is a record a line for those who accept them, of the newest stable of each name and platform', async () => {
    const server = await start(await makePackages(files))
    const { text, headers } = await ask(`${server.url}/list`, { headers: ndjson })
    expect(headers['content-type']).toBe('application/x-ndjson')
    const found = records(text)
    expect(found.map(({ file }) => file)).toEqual([
      'app-1.10.0-darwin-arm64',
      'app-1.10.0-linux-amd64',
      'tool-0.1.0-any-any.tar.gz',
    ])
    expect(found[1]).toMatchObject({
      schema: 1,
      name: 'app',
      version: '1.10.0',
      os: 'linux',
      arch: 'amd64',
      url: `${server.url}/download/app-1.10.0-linux-amd64`,
      source: server.url,
      size: 1,
      digest: 'sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d',
    })
  })

  it.each([
    ['os=linux&arch=x64', ['app-1.10.0-linux-amd64', 'tool-0.1.0-any-any.tar.gz']],
    ['os=linux&arch=amd64&channel=beta', ['app-2.0.0-beta.1-linux-amd64', 'tool-0.1.0-any-any.tar.gz']],
    ['name=app&os=macos&arch=arm64', ['app-1.10.0-darwin-arm64']],
    ['name=app&os=linux&arch=amd64&range=~1.9', ['app-1.9-linux-amd64']],
    ['name=app&newer-than=1.10&os=linux&arch=amd64', []],
    ['name=none', []],
    ['os=linux&name=app', ['app-1.10.0-linux-amd64']],
    [
      'name=app&all=1',
      [
        'app-2.0.0-beta.1-linux-amd64',
        'app-1.10.0-darwin-arm64',
        'app-1.10.0-linux-amd64',
        'app-1.9-linux-amd64',
      ],
    ],
  ])('filters by ?%s', async (query, expected) => {
    const server = await start(await makePackages(files))
    const { text } = await ask(`${server.url}/list?${query}`, { headers: ndjson })
    expect(records(text).map(({ file }) => file)).toEqual(expected)
  })

  it('never leaves out what a client would have chosen, whatever its platform', async () => {
    const server = await start(
      await makePackages({
        ...files,
        'app-3.0.0-any-any': 'f',
        'app-3.0.0-linux-amd64': 'g',
        'app-3.1.0-linux-any': 'h',
      }),
    )
    const all = records((await ask(`${server.url}/list?all=1`, { headers: ndjson })).text)
    for (const query of ['', 'os=linux', 'arch=amd64', 'channel=beta', 'range=1']) {
      const got = records((await ask(`${server.url}/list?${query}`, { headers: ndjson })).text)
      const params = new URLSearchParams(query)
      for (const [os, arch] of [
        ['linux', 'amd64'],
        ['darwin', 'arm64'],
        ['windows', 'amd64'],
      ] as const) {
        const filter = {
          os: params.get('os') ?? os,
          arch: params.get('arch') ?? arch,
          ...(params.get('channel') && { channel: 'beta' }),
          ...(params.get('range') && { range: '1' }),
        }
        expect(choose(got, filter)).toEqual(choose(all, filter))
      }
    }
  })

  it('says what is wrong with a filter', async () => {
    const server = await start(await makePackages(files))
    const { status, text } = await ask(`${server.url}/list?os=amiga`, { headers: ndjson })
    expect(status).toBe(400)
    expect(text).toContain('"amiga" is not an operating system')
  })

  it('answers a poll with 304 until something changes, also in another run of the server', async () => {
    const dir = await makePackages(files)
    const first = await start(dir)
    const { etag = '' } = (await ask(`${first.url}/list`)).headers
    expect(etag).toMatch(/^"[^"]+"$/)
    const again = await start(dir)
    for (const tag of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const { status, body } = await ask(`${again.url}/list`, { headers: { 'if-none-match': tag } })
      expect([status, body.length]).toEqual([304, 0])
    }
    await moveIn(dir, 'app-3.0-linux-amd64', 'new')
    await until(
      'the new package',
      async () => (await ask(`${again.url}/list`, { headers: { 'if-none-match': etag } })).status === 200,
    )
  })

  it('has another tag for names than for records, and for each query', async () => {
    const server = await start(await makePackages(files))
    const answers = await Promise.all([
      ask(`${server.url}/list`),
      ask(`${server.url}/list`, { headers: ndjson }),
      ask(`${server.url}/list?os=linux`, { headers: ndjson }),
    ])
    expect(new Set(answers.map(({ headers }) => headers.etag)).size).toBe(3)
    expect(answers[0].headers.vary).toBe('Accept')
  })

  it('answers HEAD with the same head and no body', async () => {
    const server = await start(await makePackages(files))
    const get = await ask(`${server.url}/list`)
    const head = await ask(`${server.url}/list`, { method: 'HEAD' })
    expect(head.body.length).toBe(0)
    expect(head.headers['content-length']).toBe(String(get.body.length))
    expect(head.headers.etag).toBe(get.headers.etag)
  })

  it('writes URLs as the client knows the server, unless Host is no host', async () => {
    const server = await start(await makePackages(files))
    const at = async (host: string) => ask(`${server.url}/list?name=tool`, { headers: { ...ndjson, host } })
    expect((await at('repo.example:81')).text).toContain(
      '"http://repo.example:81/download/tool-0.1.0-any-any.tar.gz"',
    )
    expect((await at('[::1]:81')).text).toContain('"http://[::1]:81/download/')
    for (const host of ['a/b', 'a b', 'x@y', 'a"b', '<i>', 'a:b', 'a?b'])
      expect((await at(host)).status, host).toBe(400)
    const forwarded = { ...ndjson, 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' }
    expect((await ask(`${server.url}/list`, { headers: forwarded })).text).not.toContain('evil')
  })

  it('writes URLs below --public-url where it is given', async () => {
    const server = await start(await makePackages(files), { publicUrl: 'https://example.org/repo/' })
    const { text } = await ask(`${server.url}/list?name=tool`, { headers: { ...ndjson, host: '<evil>' } })
    expect(records(text)[0]).toMatchObject({
      url: 'https://example.org/repo/download/tool-0.1.0-any-any.tar.gz',
      source: 'https://example.org/repo',
    })
  })

  it('waits for the first index instead of showing an empty list', async () => {
    const dir = await makePackages({ 'app-1.0-linux-amd64': Buffer.alloc(3_000_000, 'x') })
    const { startServer } = await import('../../src/server/server.ts')
    const server = await startServer({ dir, port: 0, host: '127.0.0.1', settleMs: 50 })
    try {
      expect(await listed(server)).toEqual(['app-1.0-linux-amd64'])
    } finally {
      await server.close(0)
    }
  })

  it('serves names with spaces, quotes and letters of any language', async () => {
    const names = [
      'a b-1.0-linux-amd64',
      'it\'s "x"-1.0-linux-amd64',
      'größe-1.0-linux-amd64',
      'パッケージ-1.0-linux-amd64',
      '100%25-1.0-linux-amd64',
    ]
    const dir = await makePackages(Object.fromEntries(names.map((name) => [name, name])))
    await writeFile(path.join(dir, 'new\nline-1.0-linux-amd64'), 'x')
    const server = await start(dir)
    expect(await listed(server)).toEqual(names.sort())
    const found = records((await ask(`${server.url}/list`, { headers: ndjson })).text)
    expect(found).toHaveLength(names.length)
    for (const { url = '', file } of found) expect((await ask(url)).text).toBe(file)
  })
})
