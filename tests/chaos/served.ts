import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile, readdir, stat } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import { endWithUs } from './world.ts'

/** A `gupper serve` behind a relay that counts what it sends. */
export interface Served {
  /** The address of the relay. */
  url: string
  /** Bytes that went to clients since the last `arm`. */
  readonly passed: number
  /** Lets so many bytes through, then calls `reached` and holds all others back until it is armed again. */
  arm(limit: number, reached?: () => void): void
  /** Ends both. */
  stop(): Promise<void>
}

/** Serves a directory on loopback. */
export async function serve(directory: string, [file = '', ...words]: readonly string[]): Promise<Served> {
  const args = ['serve', directory, '--host', '127.0.0.1', '--port', '0', '--settle', '1ms', '--quiet']
  const child = spawn(file, [...words, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  endWithUs(child)
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))
    child.once('close', () => reject(new Error('the server did not start')))
  })
  const { listening } = JSON.parse(line) as { listening: string }
  return startRelay(Number(new URL(listening).port), async () => {
    child.kill('SIGTERM')
    await ended
  })
}

async function startRelay(port: number, after: () => Promise<void>): Promise<Served> {
  const sockets = new Set<Socket>()
  let passed = 0
  let limit = Infinity
  let reached: (() => void) | undefined
  const join = (client: Socket): void => {
    const server = connect(port, '127.0.0.1')
    const end = (): void => {
      for (const socket of [client, server]) sockets.delete(socket.destroy())
    }
    for (const socket of [client, server]) sockets.add(socket.on('error', end).on('close', end))
    client.pipe(server)
    client.on('drain', () => {
      if (passed < limit) server.resume()
    })
    server.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, Math.max(0, limit - passed))
      passed += part.length
      const free = client.write(part)
      if (!free || passed >= limit) server.pause()
      if (passed < limit) return
      reached?.()
      reached = undefined
    })
  }
  const server = createServer(join).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get passed() {
      return passed
    },
    arm(bytes, then) {
      passed = 0
      limit = Math.ceil(bytes)
      reached = then
    },
    async stop() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
      await after()
    },
  }
}

/** What a cache holds: whole packages, and the beginnings of others with their notes. */
export interface Census {
  blobs: string[]
  partials: string[]
  /** Bytes of the one partial file. */
  begun: number
}

/**
 * Looks at a cache.
 * @throws when a package in it is not whole, or there is something in it that nobody needs
 */
export async function census(home: string): Promise<Census> {
  const cache = join(home, 'gupper')
  const blobs = await files(join(cache, 'sha256'))
  for (const path of blobs) {
    const digest = createHash('sha256')
      .update(await readFile(path))
      .digest('hex')
    if (digest !== basename(path)) throw new Error(`${path} is not whole`)
  }
  const partials = await files(join(cache, 'partial'))
  const begun = partials.find((path) => !path.endsWith('.json'))
  if (partials.length > 2) throw new Error(`too much was begun: ${partials.join(', ')}`)
  const known = new Set(['sha256', 'partial', 'locks', 'compiled'])
  const strange = (await readdir(cache).catch(() => [])).filter((name) => !known.has(name))
  if (strange.length > 0) throw new Error(`in the cache: ${strange.join(', ')}`)
  return { blobs, partials, begun: begun === undefined ? 0 : (await stat(begun)).size }
}

async function files(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}
