import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { digestOf } from '../../src/package/digest.ts'
import { startServer, type PackageServer, type ServerOptions } from '../../src/server/server.ts'

/** An empty directory that is gone after the test. */
export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'gupper-server-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

/** A directory with these files in it. */
export async function makePackages(files: Record<string, string | Buffer>): Promise<string> {
  const dir = path.join(await makeDir(), 'packages')
  await mkdir(dir)
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(dir, name), content)
  return dir
}

/** Puts a file in whole, as `mv` does. */
export async function moveIn(dir: string, name: string, content: string | Buffer): Promise<void> {
  const outside = path.join(dir, '..', `incoming-${name}`)
  await writeFile(outside, content)
  await rename(outside, path.join(dir, name))
}

/** A server on loopback that is closed after the test. Its first list is there. */
export async function start(dir: string, options: Partial<ServerOptions> = {}): Promise<PackageServer> {
  const server = await startServer({ dir, port: 0, host: '127.0.0.1', settleMs: 50, ...options })
  onTestFinished(() => server.close(0))
  await server.ready
  return server
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  text: string
}

/** A request as it is written, without what fetch does to paths and headers. */
export async function ask(
  url: string,
  options: { method?: string; path?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', headers = {}, body } = options
    const { hostname, port, pathname, search } = new URL(url)
    const target = options.path ?? pathname + search
    const req = request({ hostname, port, path: target, method, headers, agent: false }, (res) => {
      const chunks: Buffer[] = []
      res.on('data', (chunk: Buffer) => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const all = Buffer.concat(chunks)
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: all, text: all.toString() })
      })
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** Sends raw bytes and returns everything that comes back until the other side closes. */
export async function askRaw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    let answer = ''
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => (answer += chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(answer))
  })
}

/** The names a server lists. */
export async function listed(server: PackageServer): Promise<string[]> {
  const { text } = await ask(`${server.url}/list`)
  return JSON.parse(text) as string[]
}

/** Waits for a condition, with a deadline. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeout = 8000,
): Promise<void> {
  await expect.poll(holds, { timeout, interval: 10, message: `waiting for ${what}` }).toBe(true)
}

/** The strong entity tag of content. */
export function tagOf(content: string | Buffer): string {
  return `"${digestOf(content)}"`
}

/** Gives a file another time of modification. */
export async function setModified(file: string, time: Date): Promise<void> {
  await utimes(file, time, time)
}
