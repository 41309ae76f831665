import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { accessSync, constants } from 'node:fs'
import { randomFillSync } from 'node:crypto'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const root = path.resolve(import.meta.dirname, '../..')
const running = new Set<ChildProcess>()

/** The launcher, as people start it. */
export const gupper: readonly [string, string] = [process.execPath, path.join(root, 'bin/gupper.js')]

/** Whether a program is on the PATH. */
export function has(tool: string): boolean {
  return (process.env.PATH ?? '').split(':').some((dir) => {
    try {
      accessSync(path.join(dir, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** The environment of everything that is measured: its caches and its state are in the bench's directory. */
export function environment(work: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    XDG_CACHE_HOME: path.join(work, 'cache'),
    XDG_STATE_HOME: path.join(work, 'state'),
  }
}

/** Runs a command to its end, which must be a good one. @returns its wall time in ms */
export function time(work: string, file: string, ...args: string[]): number {
  const start = performance.now()
  const { status, error } = spawnSync(file, args, { cwd: work, env: environment(work), stdio: 'ignore' })
  const took = performance.now() - start
  if (status !== 0) throw error ?? new Error(`${[file, ...args].join(' ')}: ended with ${String(status)}`)
  return took
}

/** Starts something that goes on; {@link stopAll} ends it. Its standard output may be read. */
export function start(work: string, file: string, ...args: string[]): ChildProcess {
  const env = environment(work)
  const child = spawn(file, args, { cwd: work, env, stdio: ['ignore', 'pipe', 'ignore'] })
  running.add(child)
  return child
}

/** Ends a process, and waits for it. Asked, nginx takes its worker with it; what does not listen is killed. */
export async function stop(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const last = setTimeout(() => child.kill('SIGKILL'), 5000)
  await ended
  clearTimeout(last)
}

/** Ends all that was started. */
export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop))
}

/** The lines a process writes, one by one, each waited for no longer than a minute. */
export function linesOf(child: ChildProcess): () => Promise<string> {
  if (!child.stdout) throw new Error('no standard output')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return async () => {
    const late = AbortSignal.timeout(60_000)
    const next = await Promise.race([lines.next(), once(late, 'abort').then(() => undefined)])
    if (next === undefined || next.done) throw new Error(`no line from ${child.spawnargs.join(' ')}`)
    return next.value
  }
}

/** Starts `gupper serve` on a free port; it has hashed all its packages when this returns. */
export async function serve(work: string, dir: string): Promise<{ url: string; child: ChildProcess }> {
  const log = await open(path.join(work, 'access.log'), 'a')
  const args = [gupper[1], 'serve', dir, '--host', '127.0.0.1', '--port', '0']
  const stdio = ['ignore', 'pipe', log.fd] as const
  const child = spawn(gupper[0], args, { env: environment(work), stdio: [...stdio] })
  running.add(child)
  await log.close()
  const { listening: url } = JSON.parse(await linesOf(child)()) as { listening: string }
  let answer = await fetch(`${url}/list`, { method: 'HEAD' })
  while (answer.status === 503) answer = await fetch(`${url}/list`, { method: 'HEAD' })
  return { url, child }
}

/** Starts nginx with one worker: /list is the file `list` of its own directory, /download/ the packages. */
export async function startNginx(work: string, dir: string): Promise<{ url: string; child: ChildProcess }> {
  const port = 20_000 + (process.pid % 20_000)
  const home = path.join(work, 'nginx')
  await mkdir(home, { recursive: true })
  await writeFile(path.join(home, 'list'), '', { flag: 'a' })
  await writeFile(
    path.join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/nginx.pid; error_log ${home}/nginx.err;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events { worker_connections 1024; }
     http { sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; etag on;
       access_log ${home}/nginx.log combined buffer=64k flush=1s; client_body_temp_path ${home};
       default_type application/octet-stream;
       server { listen 127.0.0.1:${port};
         location = /list { root ${home}; default_type application/json; }
         location /download/ { alias ${dir}/; } } }`,
  )
  const child = start(work, 'nginx', '-c', path.join(home, 'nginx.conf'), '-p', home)
  const url = `http://127.0.0.1:${port}`
  const deadline = Date.now() + 5000
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(`${url}/list`).catch(() => undefined)
    if (answer?.ok) return { url, child }
  }
  throw new Error(`nginx did not start: ${await readFile(`${home}/nginx.err`, 'utf8')}`)
}

/** Makes small packages, each with its own bytes. */
export async function makePackages(dir: string, count: number): Promise<void> {
  await mkdir(dir, { recursive: true })
  const bytes = Buffer.alloc(1024, 'x')
  for (let i = 0; i < count; i++) {
    bytes.writeUInt32BE(i)
    await writeFile(path.join(dir, `app-1.${Math.floor(i / 100)}.${i % 100}-any-any`), bytes)
  }
}

/** Makes one large package of random bytes. */
export async function makeLarge(file: string, size: number): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true })
  const handle = await open(file, 'w')
  const block = randomFillSync(Buffer.alloc(1e6))
  for (let at = 0; at < size; at += block.length) await handle.write(block)
  // On the disk by now: it must not be written out while something is measured.
  await handle.sync()
  await handle.close()
}

/** What `gupper list` says of a source, as text. */
export async function listed(work: string, source: string, ...flags: string[]): Promise<string> {
  const args = [gupper[1], 'list', source, ...flags]
  return (await promisify(execFile)(gupper[0], args, { cwd: work, env: environment(work) })).stdout
}

/** A line of /proc/PID/status, in bytes: VmRSS is what a process has now, VmHWM the most it had. */
export async function memoryOf({ pid }: ChildProcess, line: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${String(pid)}/status`, 'utf8')
  return Number(new RegExp(`^${line}:\\s*(\\d+)`, 'm').exec(status)?.[1]) * 1024
}
