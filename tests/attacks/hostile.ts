// A repository that can sign anything, a server that may lie about it, and a machine whose verbs are real processes.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { Repository } from '../trust/conformance/simulator.ts'

const top = join(import.meta.dirname, '..', '..')
const clock = pathToFileURL(join(top, 'tests/trust/conformance/clock.ts')).href

/** The program: what was built, where it is newer than its sources, since it starts in a fraction of the time. */
export const program = isBuilt() ? join(top, 'bin/gupper.js') : join(top, 'src/cli.ts')

function isBuilt(): boolean {
  const built = join(top, 'dist/cli.js')
  const sources = readdirSync(join(top, 'src'), { recursive: true, withFileTypes: true })
  const newest = sources
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs)
  return existsSync(built) && statSync(built).mtimeMs > Math.max(...newest)
}

export type Served = Pick<Repository, 'files' | 'artifacts'>

/** What a repository serves now, to be served again later. */
export function copyOf({ files, artifacts }: Served): Served {
  return { files: new Map(files), artifacts: new Map(artifacts) }
}

/** Publishes packages of some names in a role, and what lists it. */
export function publish(repository: Repository, names: readonly string[], role = 'targets'): void {
  for (const name of names) repository.addArtifact(role, name, `the bytes of ${name}`)
  repository.publish(...new Set([role, 'targets']), 'snapshot', 'timestamp')
}

/** Answers in place of the repository: true where it has. */
export type Sin = (request: IncomingMessage, response: ServerResponse, name: string) => boolean

/** A mirror: honest until it is told otherwise. */
export class Mirror {
  served: Served
  sin: Sin | undefined
  /** The paths that were asked for, as they stood in the request. */
  readonly requests: string[] = []
  readonly #server = createServer((request, response) => this.#answer(request, response))

  constructor(served: Served) {
    this.served = served
  }

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Is fulfilled when a request comes, the nth from now; that one and those after it may stay without an answer. */
  async hear(nth: number, silent: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.sin = () => {
        if (nth-- > 1) return false
        resolve()
        return silent
      }
    })
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    if (this.#server.listening) await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { url = '' } = request
    this.requests.push(url)
    const [, folder = '', name = ''] = /^\/(metadata|targets)\/(.*)$/.exec(url) ?? []
    const plain = decodeURIComponent(name)
    if (this.sin?.(request, response, plain) === true) return
    const { files, artifacts } = this.served
    const bytes = folder === 'metadata' ? files.get(plain) : artifacts.get(plain)
    if (bytes === undefined) response.writeHead(404).end('not here\n')
    else response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
  }
}

/** Serves other bytes under some names of metadata/ or targets/. */
export function lieAbout(wanted: string | RegExp, bytes: string | Buffer, status = 200): Sin {
  return (_request, response, name) => {
    if (typeof wanted === 'string' ? wanted !== name : !wanted.test(name)) return false
    response.writeHead(status, { 'content-length': Buffer.byteLength(bytes) }).end(bytes)
    return true
  }
}

/** What a run of gupper came to. */
export interface Run {
  status: number | null
  signal: NodeJS.Signals | null
  records: { file: string; digest?: string; url?: string; path?: string; proofs?: { by: string }[] }[]
  failures: { code: string; exit: number; message: string; hint?: string }[]
  stderr: string
}

export interface RunOptions {
  input?: string
  /** Days that the machine's clock is wrong by. */
  day?: number
  env?: Record<string, string>
  /** A program with its arguments, which runs Node and its own. */
  through?: readonly string[]
  /** It is killed, in the hard way, once this is fulfilled. */
  kill?: Promise<unknown>
}

/** A machine that trusts a repository: its root, its state, its cache. */
export class Machine {
  readonly home: string
  readonly root: string

  constructor(home: string) {
    this.home = home
    this.root = join(home, 'root.json')
  }

  /** Runs a verb in a process of its own. */
  async run(
    args: readonly string[],
    { input = '', day, env, through = [], kill }: RunOptions = {},
  ): Promise<Run> {
    const shift = day !== undefined && {
      CLOCK_SHIFT_MS: String(day * 86_400_000),
      NODE_OPTIONS: `--import=${clock}`,
    }
    const [file = '', ...rest] = [...through, process.execPath, program, ...args]
    const child = spawn(file, rest, {
      cwd: this.home,
      env: {
        PATH: process.env.PATH,
        HOME: this.home,
        NODE_COMPILE_CACHE: join(top, 'node_modules/.cache/gupper-attacks'),
        ...shift,
        ...env,
      },
    })
    void kill?.then(() => child.kill('SIGKILL'))
    child.stdin.on('error', () => undefined).end(input)
    const [out, error]: [Buffer[], Buffer[]] = [[], []]
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => error.push(chunk))
    const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    const lines = Buffer.concat(out).toString().split('\n').filter(Boolean)
    const items = lines.map((line) => JSON.parse(line) as Run['records'][0] & { error: Run['failures'][0] })
    return {
      ...{ status, signal, stderr: Buffer.concat(error).toString() },
      records: items.filter((item) => !('error' in item)),
      failures: items.filter((item) => 'error' in item).map(({ error }) => error),
    }
  }

  /** Lists everything that a repository vouches for. */
  async list(urls: string | readonly string[], options?: RunOptions): Promise<Run> {
    return this.run(['list', '--all', '--trust', this.root, ...[urls].flat()], options)
  }

  get state(): string {
    return join(this.home, '.local/state/gupper')
  }

  /** Where trusted metadata lies, and the marks. */
  async places(): Promise<{ directory: string; marks: string }> {
    const [id = 'none'] = await fs.readdir(join(this.state, 'trust')).catch(() => [])
    return {
      directory: join(this.state, 'trust', id, 'metadata'),
      marks: join(this.state, 'marks', `${id}.json`),
    }
  }

  /** The versions that are trusted; that they are whole, and that nothing was left behind, is held. */
  async trusted(): Promise<Record<string, number>> {
    const { directory } = await this.places()
    const versions: Record<string, number> = {}
    for (const name of (await fs.readdir(directory).catch(() => [])).sort()) {
      expect(name).toMatch(/^[^/]+\.json$/)
      const { signed } = JSON.parse(await fs.readFile(join(directory, name), 'utf8')) as {
        signed: { version: number }
      }
      versions[name.slice(0, -'.json'.length)] = signed.version
    }
    const beside = (await fs.readdir(join(directory, '..')).catch(() => [])).sort()
    expect(['metadata,metadata.lock', 'metadata.lock', '']).toContain(beside.join())
    return versions
  }
}

/** Tests with a repository, an honest mirror of it, and a machine that trusts its first root. */
export const it = test.extend<{ repository: Repository; mirror: Mirror; machine: Machine }>({
  repository: async ({}, use) => {
    const repository = new Repository()
    publish(repository, ['app-1.0.0-any-any'])
    await use(repository)
  },
  mirror: async ({ repository }, use) => {
    const mirror = await new Mirror(repository).open()
    await use(mirror)
    await mirror.close()
  },
  machine: async ({ repository }, use) => {
    const machine = new Machine(await fs.mkdtemp(join(tmpdir(), 'gupper-attacks-')))
    await fs.writeFile(machine.root, repository.files.get('1.root.json') ?? '')
    await use(machine)
    await fs.rm(machine.home, { recursive: true, force: true })
  },
})

/** Holds that everything of some names was listed, with a proof, and nothing else. */
export function expectListed(run: Run, names: readonly string[]): void {
  expect(run).toMatchObject({ status: 0, failures: [] })
  expect(run.records.map(({ file }) => file).sort()).toEqual([...names].sort())
  for (const { proofs } of run.records) expect(proofs).toMatchObject([{ by: 'tuf' }])
}

/** Holds that a run ended with a status, gave nothing but the failure, and said what failed and what to do. */
export function expectRefused(run: Run, status: number, says: RegExp): void {
  expect(run, run.stderr).toMatchObject({ status, records: [] })
  expect(run.failures.map(({ exit }) => exit)).toEqual(run.failures.map(() => status))
  expect(run.failures.length).toBeGreaterThan(0)
  expect(run.stderr).toMatch(says)
  for (const { hint = '' } of run.failures) expect(run.stderr).toContain(hint === '' ? 'no hint' : hint)
  expect(run.stderr).not.toMatch(/a bug|^ +at /m)
}

/** Holds that after an attack what is trusted is as good as before, and the honest repository serves on at once. */
export async function expectRecovery(
  machine: Machine,
  mirror: Mirror,
  repository: Repository,
): Promise<void> {
  mirror.sin = undefined
  mirror.served = repository
  const names = Object.keys(repository.targets.targets)
  publish(repository, ['next-1.0.0-any-any'])
  expectListed(await machine.list(mirror.url), [...new Set([...names, 'next-1.0.0-any-any'])])
  expect(await machine.trusted()).toMatchObject({
    root: repository.root.version,
    timestamp: repository.timestamp.version,
    snapshot: repository.snapshot.version,
    targets: repository.targets.version,
  })
}
