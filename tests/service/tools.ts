import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import * as net from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'

const root = join(import.meta.dirname, '..', '..')

/** An example program, as it is started. */
export const web = [process.execPath, join(root, 'scripts/services/web.js')]
export const perl = ['perl', join(root, 'scripts/services/accept.pl')]

/** A program of Node that is given as text; `service` is what gupper/service exports. */
export function inline(text: string): string[] {
  const module = join(root, 'src/service.ts')
  const imports = `import * as http from 'node:http'; import * as net from 'node:net'; import * as service from '${module}';`
  return [process.execPath, '--input-type=module', '-e', `${imports}${text}`]
}

/** A socket that is bound to a port of 127.0.0.1, and that nobody accepts from here. */
export interface Shared {
  fd: number
  port: number
}

interface Handle {
  fd: number
  getsockname: (out: { port?: number }) => number
  close: () => void
}

/** Makes the socket that programs are to share, as a supervisor does. */
export function share(): Shared {
  const make = (
    net as unknown as { _createServerHandle: (host: string, port: number, family: number) => Handle }
  )._createServerHandle
  const handle = make('127.0.0.1', 0, 4)
  onTestFinished(() => handle.close())
  const name: { port?: number } = {}
  handle.getsockname(name)
  if (name.port === undefined) throw new Error('no port')
  return { fd: handle.fd, port: name.port }
}

/** A program that runs. */
export interface Running {
  child: ChildProcess
  /** All that it wrote. */
  text: () => string
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** Starts a program that inherits a socket, and waits for what it writes first. */
export async function start(
  command: readonly string[],
  options: { shared?: Shared; env?: Record<string, string> } = {},
): Promise<Running> {
  const { shared, env } = options
  const child = spawn(
    '/bin/sh',
    ['-c', `${shared ? 'export LISTEN_PID=$$; ' : ''}exec "$@"`, 'sh', ...command],
    {
      stdio: ['ignore', 'pipe', 'pipe', ...(shared ? [shared.fd] : [])],
      env: { PATH: process.env.PATH, ...(shared && { LISTEN_FDS: '1' }), ...env },
    },
  )
  let text = ''
  const output = [child.stdout, child.stderr] as const
  for (const stream of output) stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const ended = new Promise<Awaited<Running['ended']>>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  await Promise.race([...output.map(async (stream) => stream && once(stream, 'data')), ended])
  return { child, text: () => text, ended }
}

/** A connection on which a test says what it likes. */
export interface Line {
  socket: Socket
  send: (text: string) => void
  text: () => string
  /** Waits until so much was answered. */
  until: (pattern: RegExp) => Promise<void>
  /** Resolves when the other side has closed it, with all that it answered; rejects when it was reset. */
  closed: Promise<string>
}

/** Connects. */
export async function dial(port: number): Promise<Line> {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const closed = new Promise<string>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('end', () => resolve(text))
  })
  closed.catch(() => undefined)
  onTestFinished(() => void socket.destroy())
  await once(socket, 'connect')
  return {
    socket,
    send: (said) => void socket.write(said),
    text: () => text,
    until: async (pattern) => expect.poll(() => text, { timeout: 15_000, interval: 10 }).toMatch(pattern),
    closed,
  }
}

/** A request on a connection that is kept. */
export const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: service\r\n\r\n`
