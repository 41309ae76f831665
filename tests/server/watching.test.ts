import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFile,
  chmod,
  link,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { unprivileged } from '../unprivileged.ts'
import { digestOf } from '../../src/package/digest.ts'
import type { PackageRecord } from '../../src/package/record.ts'
import type { PackageServer } from '../../src/server/server.ts'
import { ask, listed, makeDir, makePackages, moveIn, setModified, start, tagOf, until } from './tools.ts'

const name = 'app-1.0.0-linux-amd64'
const other = 'app-2.0.0-linux-amd64'

async function digestListed(server: PackageServer): Promise<string | undefined> {
  const { text } = await ask(`${server.url}/list?all=1&name=app`, {
    headers: { accept: 'application/x-ndjson' },
  })
  return text === '' ? undefined : (JSON.parse(text.split('\n')[0] ?? '') as PackageRecord).digest
}

describe('the served directory', () => {
  it('shows what is moved in, and no more what is deleted', async () => {
    const dir = await makePackages({ [name]: 'one' })
    const server = await start(dir)
    await moveIn(dir, other, 'two')
    await until('the new package', async () => (await listed(server)).includes(other))
    await rm(path.join(dir, name))
    await until('the old one to go', async () => !(await listed(server)).includes(name))
  })

  it('shows a package that is moved in after the settle time, not before', async () => {
    const dir = await makePackages({})
    const server = await start(dir, { settleMs: 300 })
    const begin = performance.now()
    await moveIn(dir, name, 'x')
    await until('the package', async () => (await listed(server)).length === 1)
    expect(performance.now() - begin).toBeGreaterThan(250)
  })

  it('lists at the start what has been quiet for longer than the settle time', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const { ctimeMs } = await stat(path.join(dir, name))
    await until('the file to be 300 ms old', () => Date.now() - ctimeMs > 300)
    expect(await listed(await start(dir, { settleMs: 250 }))).toEqual([name])
  })

  it('holds requests at the start for what has just been copied in', async () => {
    const dir = await makePackages({ [name]: 'x' })
    expect(await listed(await start(dir, { settleMs: 400 }))).toEqual([name])
  })

  it('does not list a file while it grows', async () => {
    const dir = await makePackages({})
    const server = await start(dir, { settleMs: 400 })
    const file = path.join(dir, name)
    const begin = performance.now()
    let last = begin
    // Opened anew for each piece, so that only its growth tells.
    while (performance.now() - begin < 1500) {
      await appendFile(file, 'x'.repeat(100))
      last = performance.now()
      const seen = await listed(server)
      if (performance.now() - last < 300) expect(seen).toEqual([])
    }
    await until('the package', async () => (await listed(server)).length === 1)
    expect(await digestListed(server)).toBe(digestOf(await readFile(file)))
  })

  it.runIf(process.platform === 'linux')(
    'does not list a file that a process has open for writing, however quiet',
    async () => {
      const dir = await makePackages({})
      const server = await start(dir, { settleMs: 50 })
      const writer = await open(path.join(dir, name), 'w')
      onTestFinished(() => writer.close().catch(() => undefined))
      await writer.write('half')
      await moveIn(dir, other, 'a witness that files are listed meanwhile')
      await until('the witness', async () => (await listed(server)).includes(other))
      await moveIn(dir, 'app-3.0.0-linux-amd64', 'another one, a settle time later')
      await until('the second witness', async () => (await listed(server)).length === 2)
      expect(await listed(server)).not.toContain(name)
      await writer.write(' whole')
      await writer.close()
      await until('the file', async () => (await listed(server)).includes(name))
      expect((await ask(`${server.url}/download/${name}`)).text).toBe('half whole')
    },
  )

  it.runIf(process.platform === 'linux')(
    'does not list at the start what another process is still writing',
    async () => {
      const dir = await makePackages({})
      const file = path.join(dir, name)
      const writer = spawn('sh', ['-c', 'exec 3>"$1"; echo half >&3; echo ready; cat >&3', 'sh', file])
      onTestFinished(() => void writer.kill('SIGKILL'))
      await once(writer.stdout, 'data')
      const { ctimeMs } = await stat(file)
      await until('the file to be quiet', () => Date.now() - ctimeMs > 100)
      const server = await start(dir, { settleMs: 50 })
      expect(await listed(server)).toEqual([])
      writer.stdin.end('whole')
      await until('the file', async () => (await listed(server)).length === 1)
    },
  )

  it.each([
    ['small', 10],
    ['large', 200_000],
  ])(
    'drops a %s package that is written to, until it is whole again with its new digest',
    async (_, size) => {
      const dir = await makePackages({ [name]: 'a'.repeat(size) })
      const server = await start(dir, { settleMs: 200 })
      expect((await ask(`${server.url}/download/${name}`)).headers.etag).toBe(tagOf('a'.repeat(size)))
      await writeFile(path.join(dir, name), 'b'.repeat(size))
      await until('it to be gone', async () => (await listed(server)).length === 0)
      await until('it to be back', async () => (await listed(server)).length === 1)
      expect(await digestListed(server)).toBe(digestOf('b'.repeat(size)))
      expect((await ask(`${server.url}/download/${name}`)).text).toBe('b'.repeat(size))
    },
  )

  it('keeps a package listed whose mode or links change', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const server = await start(dir, { settleMs: 100 })
    const { etag } = (await ask(`${server.url}/list`)).headers
    await chmod(path.join(dir, name), 0o755)
    await link(path.join(dir, name), path.join(dir, '..', 'backup'))
    await moveIn(dir, 'SHA256SUMS', 'a witness that time has passed')
    const seen = new Set<string>()
    await until('the witness', async () => {
      seen.add(String(await listed(server)))
      return (await ask(`${server.url}/download/SHA256SUMS`)).status === 200
    })
    expect([...seen]).toEqual([name])
    expect((await ask(`${server.url}/list`)).headers.etag).toBe(etag)
  })

  it('lists files from the future, and goes by no clock that can be set', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const future = new Date(Date.now() + 864e5)
    await setModified(path.join(dir, name), future)
    const server = await start(dir)
    expect(await listed(server)).toEqual([name])
    await moveIn(dir, other, 'y')
    await utimes(path.join(dir, other), new Date(0), new Date(0))
    await until('the file from 1970', async () => (await listed(server)).includes(other))
  })

  it('lists a package that becomes readable', async () => {
    const dir = await makePackages({ [name]: 'x' })
    await unprivileged(path.dirname(dir), async () => {
      await chmod(path.join(dir, name), 0)
      const server = await start(dir)
      expect(await listed(server)).toEqual([])
      await chmod(path.join(dir, name), 0o644)
      await until('the package', async () => (await listed(server)).length === 1)
    })
  })

  it('answers 503 while the directory is gone, and goes on when it is back', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const server = await start(dir)
    await rename(dir, `${dir}.away`)
    await server.check()
    const { status, headers } = await ask(`${server.url}/list`)
    expect([status, headers['retry-after']]).toEqual([503, '10'])
    expect((await ask(`${server.url}/healthz`)).status).toBe(200)
    await rename(`${dir}.away`, dir)
    await server.check()
    expect(await listed(server)).toEqual([name])
    await moveIn(dir, other, 'y')
    await until('what comes afterwards', async () => (await listed(server)).length === 2)
  })

  it('follows another directory that takes its place', async () => {
    const dir = await makePackages({ [name]: 'x' })
    const server = await start(dir)
    await rename(dir, `${dir}.old`)
    await mkdir(dir)
    await writeFile(path.join(dir, other), 'y')
    await server.check()
    await until('the new one', async () => String(await listed(server)) === other)
  })

  it('remembers digests over a restart, by what tells one state of a file from another', async () => {
    const cacheDir = await makeDir()
    const dir = await makePackages({ [name]: 'right' })
    const first = await start(dir, { cacheDir })
    const digest = await digestListed(first)
    await first.close(0)
    const [file = ''] = await readdir(path.join(cacheDir, 'index'))
    const kept = path.join(cacheDir, 'index', file)
    const lines = await readFile(kept, 'utf8')
    expect(lines).toContain(` ${String(digest).slice(7)}\n`)

    // A digest that only the cache can know shows that the file was not read again.
    const planted = 'ab'.repeat(32)
    await writeFile(kept, `torn li\n${lines.replace(/[0-9a-f]{64}/, planted)}12:34:5`)
    const second = await start(dir, { cacheDir })
    expect(await digestListed(second)).toBe(`sha256:${planted}`)
    await writeFile(path.join(dir, name), 'other')
    await until('the new digest', async () => (await digestListed(second)) === digestOf('other'))
    await second.close(0)
    const third = await start(dir, { cacheDir })
    expect(await digestListed(third)).toBe(digestOf('other'))
  })

  it('does without a cache that cannot be written', async () => {
    const cacheDir = path.join(await makeDir(), 'file')
    await writeFile(cacheDir, 'not a directory')
    expect(await listed(await start(await makePackages({ [name]: 'x' }), { cacheDir }))).toEqual([name])
  })
})
