import { randomBytes } from 'node:crypto'
import { link, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import { silent } from '../../src/package/observer.ts'
import { ask, listed, makeDir, start, tagOf, until } from './tools.ts'

const file = 'app-1.0.0-any-any'
const bytes = randomBytes(200_000)
const target = `${digestOf(bytes).slice(7)}.${file}`

/** A repository as `publish` lays it out; who serves it does not look into its metadata. */
async function makeRepository(): Promise<string> {
  const dir = path.join(await makeDir(), 'repo')
  await mkdir(path.join(dir, 'metadata'), { recursive: true })
  await mkdir(path.join(dir, 'targets'))
  await mkdir(path.join(dir, '.gupper'))
  await writeFile(path.join(dir, '.gupper', 'lock'), '')
  await writeFile(path.join(dir, 'metadata', 'timestamp.json'), '{"version":1}')
  await writeFile(path.join(dir, 'metadata', '1.root.json'), '{"root":1}')
  await writeFile(path.join(dir, 'metadata', '1.team%20a%2Fb.json'), '{"team":1}')
  await writeFile(path.join(dir, 'metadata', '1.targets.json'), Buffer.alloc(300_000, 'x'))
  await writeFile(path.join(dir, file), bytes)
  await link(path.join(dir, file), path.join(dir, 'targets', target))
  return dir
}

/** Replaces a file whole, as a publisher does. */
async function replace(place: string, text: string): Promise<void> {
  await writeFile(`${place}.new`, text)
  await rename(`${place}.new`, place)
}

describe('the files of a signed repository', () => {
  test('metadata is served as it lies there, with a tag, and for how long it may be kept', async () => {
    const { url } = await start(await makeRepository())
    const timestamp = await ask(`${url}/metadata/timestamp.json`)
    expect(timestamp).toMatchObject({ status: 200, text: '{"version":1}' })
    expect(timestamp.headers).toMatchObject({
      etag: tagOf('{"version":1}'),
      'cache-control': 'no-cache',
      'content-type': 'application/json',
      'content-length': '13',
    })
    const root = await ask(`${url}/metadata/1.root.json`)
    expect(root.headers['cache-control']).toBe('max-age=31536000, immutable')
    const large = await ask(`${url}/metadata/1.targets.json`)
    expect(large.body).toEqual(Buffer.alloc(300_000, 'x'))
    expect(large.headers.etag).toBe(tagOf(large.body))
  })

  test('a role whose name is percent-encoded on the disk is encoded once more in the URL', async () => {
    const { url } = await start(await makeRepository())
    const name = encodeURIComponent(`1.${encodeURIComponent('team a/b')}.json`)
    expect((await ask(`${url}/metadata/${name}`)).text).toBe('{"team":1}')
    expect((await ask(`${url}/metadata/1.team%20a%2Fb.json`)).status).toBe(404)
  })

  test('targets are served whole, in ranges, and by HEAD', async () => {
    const { url } = await start(await makeRepository())
    const whole = await ask(`${url}/targets/${target}`)
    expect(whole.body).toEqual(bytes)
    expect(whole.headers).toMatchObject({
      etag: tagOf(bytes),
      'accept-ranges': 'bytes',
      'cache-control': 'max-age=31536000, immutable',
    })
    const part = await ask(`${url}/targets/${target}`, {
      headers: { range: 'bytes=199990-', 'if-range': tagOf(bytes) },
    })
    expect(part.status).toBe(206)
    expect(part.body).toEqual(bytes.subarray(199_990))
    const head = await ask(`${url}/targets/${target}`, { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, text: '' })
    expect(head.headers['content-length']).toBe('200000')
    expect((await ask(`${url}/targets/${target}`, { method: 'POST' })).status).toBe(405)
  })

  test('an unchanged timestamp is 304, a new one is there at once, also on a connection that stays', async () => {
    const dir = await makeRepository()
    const { url } = await start(dir)
    const get = async (etag = ''): Promise<[number, string]> => {
      // fetch keeps its connection: the express lane would answer here if it were let.
      const answer = await fetch(`${url}/metadata/timestamp.json`, { headers: { 'if-none-match': etag } })
      return [answer.status, await answer.text()]
    }
    for (let n = 0; n < 3; n++) expect(await get()).toEqual([200, '{"version":1}'])
    for (let n = 0; n < 3; n++) expect(await get(tagOf('{"version":1}'))).toEqual([304, ''])
    await replace(path.join(dir, 'metadata', 'timestamp.json'), '{"version":2}')
    expect(await get(tagOf('{"version":1}'))).toEqual([200, '{"version":2}'])
    await rm(path.join(dir, 'metadata', 'timestamp.json'))
    expect((await get())[0]).toBe(404)
  })

  test('bytes that are not those of its name are not sent as such', async () => {
    const dir = await makeRepository()
    const name = `${'0'.repeat(64)}.small-1.0.0-any-any`
    await writeFile(path.join(dir, 'targets', name), 'other')
    const { url } = await start(dir)
    expect((await ask(`${url}/targets/${name}`)).status).toBe(503)
  })

  test('nothing else can be reached', async () => {
    const dir = await makeRepository()
    await writeFile(path.join(dir, '..', 'secret'), 'secret')
    await symlink('../../secret', path.join(dir, 'metadata', '1.link.json'))
    await symlink('../../secret', path.join(dir, 'targets', `${'1'.repeat(64)}.link`))
    await writeFile(path.join(dir, 'metadata', '.hidden'), 'secret')
    await writeFile(path.join(dir, 'targets', 'plain'), 'secret')
    await mkdir(path.join(dir, 'metadata', '2.folder.json'))
    const { url } = await start(dir)
    const hostile = [
      ...['/metadata/', '/metadata', '/targets/', '/targets/plain', `/targets/${'1'.repeat(64)}.link`],
      ...['/metadata/1.link.json', '/metadata/.hidden', '/metadata/2.folder.json', '/metadata/%'],
      ...['/metadata/../../secret', '/metadata/%2e%2e/%2e%2e/secret', '/metadata/..%2f..%2fsecret'],
      ...['/metadata/%2e%2e%2f%2e%2e%2fsecret', '/metadata/..', '/metadata/%2e', '/metadata/%00'],
      ...['/metadata/1.root.json%00', `/metadata/../${file}`, '/metadata/..%5c..%5csecret'],
      ...['/.gupper/lock', '/metadata/../.gupper/lock', '/targets/../.gupper/lock'],
      ...['/download/metadata', '/download/metadata%2ftimestamp.json', `/download/targets%2f${target}`],
    ]
    for (const target of hostile) {
      const answer = await ask(url, { path: target })
      expect([target, answer.status]).toEqual([target, 404])
      expect(answer.text).not.toContain('secret')
    }
  })

  test('a folder that is a link to elsewhere is not served', async () => {
    const dir = await makeRepository()
    await rename(path.join(dir, 'metadata'), path.join(dir, '..', 'elsewhere'))
    await symlink('../elsewhere', path.join(dir, 'metadata'))
    const { url } = await start(dir)
    expect((await ask(`${url}/metadata/timestamp.json`)).status).toBe(404)
  })

  test('private keys that lie about are neither listed nor given away, whatever folder they are in', async () => {
    const dir = await makeRepository()
    const pem = '-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n'
    const names = ['root.pem', 'tls.key', 'online.pem.retired']
    for (const name of names) {
      await writeFile(path.join(dir, name), pem)
      await writeFile(path.join(dir, 'metadata', name), pem)
      await writeFile(path.join(dir, 'targets', `${'1'.repeat(64)}.${name}`), pem)
    }
    await writeFile(path.join(dir, 'root.pub.pem'), '-----BEGIN PUBLIC KEY-----\n')
    const warnings: string[] = []
    const { url } = await start(dir, {
      observer: { ...silent, warn: (message) => void warnings.push(message) },
    })
    for (const name of names)
      for (const place of ['download', 'metadata', `targets/${'1'.repeat(64)}.`])
        expect([name, (await ask(`${url}/${place.replace(/[^.]$/, '$&/')}${name}`)).status]).toEqual([
          name,
          404,
        ])
    expect((await ask(`${url}/download/root.pub.pem`)).status).toBe(200)
    expect((await ask(url)).text).not.toContain('tls.key')
    expect(warnings.filter((warning) => warning.endsWith('which nobody else should have'))).toHaveLength(3)
    await replace(path.join(dir, 'root.pub.pem'), pem)
    await until('the warning', () => warnings.length === 4)
    expect((await ask(`${url}/download/root.pub.pem`)).status).toBe(404)
  })

  test('the folders are no packages', async () => {
    const server = await start(await makeRepository())
    expect(await listed(server)).toEqual([file])
  })

  test('tokens hold for them as for the list', async () => {
    const dir = await makeRepository()
    const tokenFile = path.join(dir, '..', 'tokens')
    await writeFile(tokenFile, 'a-token-of-some-length\n')
    const { url } = await start(dir, { tokenFile })
    for (const place of ['metadata/timestamp.json', `targets/${target}`]) {
      expect((await ask(`${url}/${place}`)).status).toBe(401)
      const headers = { authorization: 'Bearer a-token-of-some-length' }
      expect((await ask(`${url}/${place}`, { headers })).status).toBe(200)
    }
  })

  test('where there is no metadata there is nothing', async () => {
    const { url } = await start(await makeDir())
    expect((await ask(`${url}/metadata/timestamp.json`)).status).toBe(404)
  })

  test('they are counted under names of their own', async () => {
    const { url } = await start(await makeRepository())
    await ask(`${url}/metadata/timestamp.json`)
    expect((await ask(`${url}/metrics`)).text).toMatch(/route="metadata"[^}]*\} 1/)
  })
})

describe('the events', () => {
  async function listen(url: string): Promise<{ events: string[] }> {
    const answer = await fetch(`${url}/events`)
    const heard: { events: string[] } = { events: [] }
    const read = async (): Promise<void> => {
      let text = ''
      for await (const chunk of answer.body ?? []) {
        text += Buffer.from(chunk as Uint8Array).toString()
        heard.events = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name ?? '')
      }
    }
    read().catch(() => undefined)
    return heard
  }

  test('say when timestamp.json was replaced, and not that another file was', async () => {
    const dir = await makeRepository()
    const { url } = await start(dir)
    const heard = await listen(url)
    await writeFile(path.join(dir, 'metadata', '2.snapshot.json'), '{}')
    await replace(path.join(dir, 'metadata', 'timestamp.json'), '{"version":2}')
    await until('the event', () => heard.events.length > 0)
    expect(heard.events).toEqual(['timestamp'])
  })

  test('say so too where the repository was made after the start', async () => {
    const dir = path.join(await makeDir(), 'repo')
    await mkdir(dir)
    const server = await start(dir)
    const heard = await listen(server.url)
    await mkdir(path.join(dir, 'metadata'))
    await writeFile(path.join(dir, 'metadata', 'timestamp.json'), '{"version":1}')
    await server.check()
    await until('the event', () => heard.events.includes('timestamp'))
  })
})
