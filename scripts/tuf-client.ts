// The client that TUF's public conformance suite drives: init, refresh and download on gupper's own code.
import { createHash } from 'node:crypto'
import { open, mkdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { GupperError } from '../src/errors.ts'
import { createClient, type Client } from '../src/net/client.ts'
import { openTrustedStore, type TrustedStore } from '../src/store/trusted.ts'
import { noMarks } from '../src/trust/tuf/marks.ts'
import { refresh } from '../src/trust/tuf/refresh.ts'
import { targetName } from '../src/trust/tuf/release.ts'
import { checkFile } from '../src/trust/tuf/rules.ts'
import { openTrusted, selfSigned, type Remote, type Trusted } from '../src/trust/tuf/trusted.ts'
import { findTarget, type Vouched } from '../src/trust/tuf/walk.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'metadata-dir': { type: 'string' },
    'metadata-url': { type: 'string' },
    'target-name': { type: 'string', multiple: true },
    'target-base-url': { type: 'string' },
    'target-dir': { type: 'string' },
  },
})

function given(name: 'metadata-dir' | 'metadata-url' | 'target-base-url' | 'target-dir'): string {
  const value = values[name]
  if (value === undefined) throw new GupperError('usage', `--${name} is missing`)
  return value
}

const observer = {
  error: say,
  warn: say,
  info: () => undefined,
  debug: () => undefined,
  progress: () => undefined,
}

function say(message: string): void {
  process.stderr.write(`tuf-client: ${message}\n`)
}

async function init(root: string | undefined): Promise<void> {
  if (root === undefined) throw new GupperError('usage', 'the trusted root is missing')
  const bytes = await readFile(root)
  selfSigned(bytes, root)
  const store = await openStore()
  await store.commit(new Map([['root', bytes]]), ['timestamp', 'snapshot', 'targets'], noMarks())
}

function openStore(): Promise<TrustedStore> {
  const directory = path.resolve(given('metadata-dir'))
  return openTrustedStore({ directory, marks: `${directory}.marks.json` }, { observer })
}

async function withTrusted(work: (trusted: Trusted, client: Client) => Promise<void>): Promise<void> {
  const store = await openStore()
  const client = createClient({ env: process.env, observer })
  const trusted = await openTrusted({
    remote: remoteAt(client, given('metadata-url')),
    known: (role) => store.read(role),
    marks: store.marks,
    now: new Date(),
    observer,
  })
  try {
    await refresh(trusted)
    await work(trusted, client)
  } finally {
    client.close()
    // What was proven before something failed is kept.
    await store.commit(trusted.fresh, trusted.stale, trusted.marks)
  }
}

function remoteAt(client: Client, base: string): Remote {
  return {
    async readMetadata(name, maxBytes) {
      // Whatever needs per cents has them already.
      const { body } = await client.get(`${base.replace(/\/+$/, '')}/${name}`, { maxBytes, absent: true })
      return body
    },
  }
}

async function download(trusted: Trusted, client: Client): Promise<void> {
  const directory = given('target-dir')
  await mkdir(directory, { recursive: true })
  for (const name of values['target-name'] ?? []) {
    const found = await findTarget(trusted, name)
    if (found === undefined) throw new GupperError('not-found', `no role vouches for ${name}`)
    const file = path.join(directory, encodeURIComponent(name))
    if (await isThere(file, found)) continue
    await downloadTarget(client, found, addressOf(found, trusted), file)
  }
}

function addressOf(found: Vouched, { root }: Trusted): string {
  const parts = targetName(found, root.signed.consistent_snapshot === true).split('/')
  return [given('target-base-url').replace(/\/+$/, ''), ...parts.map(encodeURIComponent)].join('/')
}

async function isThere(file: string, { path: name, target }: Vouched): Promise<boolean> {
  try {
    checkFile(name, await readFile(file), { version: 1, length: target.length, hashes: target.hashes })
    return true
  } catch {
    return false
  }
}

async function downloadTarget(client: Client, found: Vouched, url: string, file: string): Promise<void> {
  const { path: name, target } = found
  const temporary = `${file}.${createHash('sha256').update(file).digest('hex').slice(0, 8)}.new`
  const handle = await open(temporary, 'w+')
  try {
    let at = 0
    await client.download(
      { url, size: target.length, offset: 0 },
      {
        begin: async ({ offset }) => {
          at = offset
          await handle.truncate(at)
        },
        write: async (chunk) => {
          await handle.write(chunk, 0, chunk.length, at)
          at += chunk.length
        },
      },
    )
    checkFile(name, await readFile(temporary), { version: 1, length: target.length, hashes: target.hashes })
    await handle.sync()
    await rename(temporary, file)
  } finally {
    await handle.close()
    await rm(temporary, { force: true })
  }
}

try {
  const [command, argument] = positionals
  if (command === 'init') await init(argument)
  else if (command === 'refresh') await withTrusted(() => Promise.resolve())
  else if (command === 'download') await withTrusted(download)
  else throw new GupperError('usage', 'the command is init, refresh or download')
} catch (error) {
  say(error instanceof GupperError ? error.message : String(error))
  process.exitCode = 1
}
