import { once } from 'node:events'
import * as http from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { expect, onTestFinished } from 'vitest'
import { openProxy } from '../../src/proxy/open.ts'
import type { Backend, Proxy, ProxyOptions } from '../../src/proxy/proxy.ts'

/** A program that is there for one test. */
export interface Program extends Backend {
  server: http.Server
  /** Every request that it got: "GET /path". */
  seen: string[]
  /** Connections it has accepted. */
  connections: Set<Socket>
  /** Ends at once, as a process does that is killed. */
  kill(): Promise<void>
}

let programs = 0

/** Starts a program on a free port. */
export async function startProgram(
  answer: http.RequestListener,
  options: { port?: number; id?: string } = {},
): Promise<Program> {
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (req, res) => {
    seen.push(`${req.method ?? ''} ${req.url ?? ''}`)
    answer(req, res)
  })
  const seen: string[] = []
  const connections = new Set<Socket>()
  server.on('connection', (socket) => {
    connections.add(socket)
    socket.on('close', () => connections.delete(socket))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const kill = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of connections) socket.resetAndDestroy()
    await closed
  }
  onTestFinished(kill)
  const { port } = server.address() as AddressInfo
  const id = options.id ?? `program-${++programs}`
  return { id, host: '127.0.0.1', port, server, seen, connections, kill }
}

/** A program that says which one it is. */
export function startNamed(name: string): Promise<Program> {
  return startProgram((_, res) => res.end(name), { id: name })
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = http.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A proxy on loopback that is closed after the test. */
export async function open(current?: Backend, options: Partial<ProxyOptions> = {}): Promise<Proxy> {
  const proxy = await openProxy({ listen: { host: '127.0.0.1', port: 0 }, ...options })
  onTestFinished(() => proxy.close(0))
  if (current) proxy.switchTo(current)
  return proxy
}

export interface Answered {
  status: number
  headers: http.IncomingHttpHeaders
  raw: string[]
  text: string
  trailers: NodeJS.Dict<string>
}

export type Asking = http.RequestOptions & { body?: string | Buffer | undefined }

/** A request on a connection of its own, or an agent's; fails when the answer is not whole. */
export async function ask(url: string, options: Asking = {}): Promise<Answered> {
  const { body, ...rest } = options
  const req = http.request(url, { agent: false, ...rest })
  req.end(body)
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  return whole(res)
}

/** Reads an answer to its end; fails when it breaks off. */
export async function whole(res: http.IncomingMessage): Promise<Answered> {
  let text = ''
  res.setEncoding('latin1')
  for await (const chunk of res) text += chunk as string
  const { statusCode: status = 0, headers, rawHeaders: raw, trailers } = res
  return { status, headers, raw, text, trailers }
}

/** Begins a request, whose answer or failure the test looks at later. */
export function begin(url: string, options: http.RequestOptions = {}): http.ClientRequest {
  const req = http.request(url, { agent: false, ...options })
  req.on('error', () => undefined)
  onTestFinished(() => void req.destroy())
  return req
}

/** The port of "http://127.0.0.1:8080". */
export const portOf = (proxy: Proxy): number => Number(new URL(proxy.url).port)

/** A connection of raw bytes, with all that has come on it. */
export async function dial(port: number): Promise<{ socket: Socket; text: () => string }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  return { socket, text: () => text }
}

/** Sends bytes and returns all that comes back until the other side closes. */
export async function askRaw(port: number, bytes: string): Promise<string> {
  const { socket, text } = await dial(port)
  const closed = once(socket, 'close')
  socket.once('end', () => socket.end())
  socket.write(bytes, 'latin1')
  await closed
  return text()
}

/** Waits for a condition, with a deadline. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  await expect.poll(holds, { timeout: 10_000, interval: 5, message: `waiting for ${what}` }).toBe(true)
}
