import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { promisify } from 'node:util'
import { alternate, atMost, ms, type Part } from './figure.ts'
import { environment, gupper, makePackages, serve, stop } from './machine.ts'

const many = 10_000

/** What signed repositories cost: a look that finds nothing new, one change among many packages, one more package. */
export const trust: Part = {
  name: 'trust',
  needs: [],
  async *measure(work) {
    const few = await makeRepository(work, 'few', 100)
    const { url, child } = await serve(work, few.dir)
    const look = (...flags: string[]) => timed(work, 'list', url, ...flags)
    const [proven = 0, plain = 0] = await alternate(25, () => look('--trust', few.root), look)
    await stop(child)
    const what = 'list --trust, nothing new, 100 packages'
    yield atMost(1.5, { what, against: 'list, the same server', ours: proven, theirs: plain, unit: ms })

    const lots = await makeRepository(work, 'many', many)
    const served = await count(lots.dir)
    const list = () => run(work, 'list', served.url, '--trust', lots.root)
    await list()
    const all = served.take()
    await list()
    const nothing = served.take()
    yield requests(`list --trust, nothing new, ${many} packages`, nothing.requests)
    const unit = (bytes: number): string => `${(bytes / 1000).toFixed(0)} kB`
    const changes = { against: 'all metadata', theirs: all.bytes, unit }
    await publishOne(work, lots, 0)
    await list()
    yield atMost(0.05, {
      what: `list --trust, one of ${many} changed: bytes`,
      ours: served.take().bytes,
      ...changes,
    })
    await served.close()

    const empty = await makeRepository(work, 'empty', 0)
    let number = 1
    const [into = 0, alone = 0] = await alternate(
      9,
      () => publishOne(work, lots, number++),
      async () => {
        // Into an empty one each time.
        const copy = { ...empty, dir: path.join(work, 'copy') }
        await cp(empty.dir, copy.dir, { recursive: true })
        const took = await publishOne(work, copy, number++)
        await rm(copy.dir, { recursive: true })
        return took
      },
    )
    const against = 'into an empty repository'
    yield atMost(3, {
      what: `publish of one package into ${many}`,
      against,
      ours: into,
      theirs: alone,
      unit: ms,
    })
  },
}

interface Repository {
  dir: string
  keys: string
  /** The root of trust. */
  root: string
}

async function makeRepository(work: string, name: string, packages: number): Promise<Repository> {
  const [dir, keys, files] = [
    path.join(work, name),
    path.join(work, `${name}-keys`),
    path.join(work, `${name}-files`),
  ]
  await run(work, 'trust', 'init', dir, '--keys', keys)
  if (packages > 0) {
    await makePackages(files, packages)
    const names = await readdir(files)
    await run(work, 'publish', '--to', dir, '--keys', keys, ...names.map((file) => path.join(files, file)))
    await rm(files, { recursive: true })
  }
  return { dir, keys, root: path.join(dir, 'metadata', '1.root.json') }
}

/** Publishes a new package. @returns ms */
async function publishOne(work: string, { dir, keys }: Repository, number: number): Promise<number> {
  const file = path.join(work, 'next', `app-9.0.${number}-any-any`)
  await mkdir(path.dirname(file), { recursive: true })
  await writeFile(file, String(number))
  return timed(work, 'publish', '--to', dir, '--keys', keys, file)
}

async function run(work: string, ...args: string[]): Promise<void> {
  const options = { cwd: work, env: environment(work), maxBuffer: 1 << 28 }
  await promisify(execFile)(gupper[0], [gupper[1], ...args], options)
}

async function timed(work: string, ...args: string[]): Promise<number> {
  const start = performance.now()
  await run(work, ...args)
  return performance.now() - start
}

function requests(what: string, made: number): ReturnType<typeof atMost> {
  const unit = (value: number): string => `${value} request${value === 1 ? '' : 's'}`
  return atMost(1, { what, against: 'the timestamp alone', ours: made, theirs: 1, unit })
}

/** Serves a directory as any static server would, and counts what is asked for. */
async function count(dir: string) {
  let taken = { requests: 0, bytes: 0 }
  const server = createServer((request, response) => {
    taken.requests++
    const file = path.join(dir, decodeURIComponent(request.url ?? '/'))
    stat(file).then(
      ({ size }) => {
        taken.bytes += size
        response.setHeader('content-length', size)
        createReadStream(file).pipe(response)
      },
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    take() {
      const before = taken
      taken = { requests: 0, bytes: 0 }
      return before
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
