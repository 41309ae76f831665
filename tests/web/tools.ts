import { mkdtemp, rm } from 'node:fs/promises'
import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { openWeb, type Web, type WebOptions } from '../../src/web/web.ts'
import { Service } from './service.ts'

export const token = 'correct-horse-battery-staple'
export const bearer = { Authorization: `Bearer ${token}` }

/** A service and its page on loopback, closed after the test. */
export async function open(
  options: Partial<WebOptions> = {},
  service = new Service(),
): Promise<Web & { service: Service; port: number }> {
  const web = await openWeb({ listen: { port: 0 }, view: service, token, ...options })
  onTestFinished(() => web.close(0))
  return { ...web, service, port: URL.canParse(web.url) ? Number(new URL(web.url).port) : 0 }
}

/** An empty directory that is gone after the test. */
export async function makeDir(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'gupper-web-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

export interface Ask {
  method?: string
  headers?: Record<string, string>
  body?: string
  socketPath?: string
}

/** A request as it is written, without what fetch does to headers. */
export async function ask(url: string, { body, socketPath, ...others }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options: RequestOptions = {
      ...others,
      agent: false,
      ...(socketPath !== undefined && { socketPath }),
    }
    const req = request(url, options, (res) => {
      let text = ''
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => (text += chunk))
      res.on('error', reject)
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }))
    })
    req.on('error', reject)
    req.end(body)
  })
}

/** Asks for an action, as the page does. */
export async function post(url: string, action: string, others: Ask = {}): Promise<Answer> {
  const headers = { ...bearer, 'Content-Type': 'application/json', ...others.headers }
  return ask(`${url}/actions/${action}`, { method: 'POST', body: '{}', ...others, headers })
}

/** The `error` of a refusal. */
export function errorOf({ text }: Answer): { code: string; message: string; hint?: string } {
  return (JSON.parse(text) as { error: { code: string; message: string; hint?: string } }).error
}

export interface Event {
  event: string
  id: string
  data: {
    status?: { phase: string; version?: string; state: string }
    trail?: string[]
    history?: { event: string }[]
    lines?: { stream: string; line: string }[]
    skipped?: number
  }
}

export interface Stream {
  socket: Socket
  text(): string
  events(): Event[]
  /** Every line of the log that came. */
  lines(): string[]
}

/** Listens to the events; resolves when the stream has begun. */
export async function listen(port: number, headers: Record<string, string> = {}): Promise<Stream> {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('error', () => undefined)
  const fields = Object.entries({ Host: `127.0.0.1:${port}`, ...bearer, ...headers })
  socket.write(
    `GET /events HTTP/1.1\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  )
  const events = (): Event[] =>
    [...text.matchAll(/^event: (.*)\nid: (.*)\ndata: (.*)\n\n/gm)].map(
      ([, event = '', id = '', data = '']) => ({
        event,
        id,
        data: JSON.parse(data) as Event['data'],
      }),
    )
  await until('the stream to begin', () => /\r\n\r\n[^]*\n\n/.test(text))
  const lines = () => events().flatMap(({ data }) => (data.lines ?? []).map(({ line }) => line))
  return { socket, text: () => text, events, lines }
}

/** Waits for a condition, with a deadline. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(holds, { timeout: 15_000, interval: 10, message: `waiting for ${what}` }).toBe(true)
}
