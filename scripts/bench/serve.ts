/**
 * `gupper serve` against nginx with one worker, in one run: rates under keep-alive load (wrk), a large download (curl),
 * polls with many packages, peak memory. Run by hand: node scripts/bench/serve.ts [--quick]
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** One figure: the ratio to its peer, and what it has to reach. */
export interface Figure {
  what: string
  against: string
  reach: string
  measured: string
  ratio: number
  good: boolean
}

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')
const quick = process.argv.includes('--quick')
const seconds = quick ? 1 : 4
const rounds = quick ? 1 : 3
const running: ChildProcess[] = []

/** Measures everything; needs nginx, wrk and curl, and Linux for the memory. */
export async function benchServe(): Promise<Figure[]> {
  const work = await mkdtemp(path.join(tmpdir(), 'gupper-bench-'))
  try {
    return await measure(work)
  } finally {
    await Promise.all(running.map(stop))
    await rm(work, { recursive: true, force: true })
  }
}

async function measure(work: string): Promise<Figure[]> {
  const dir = path.join(work, 'packages')
  await makePackages(dir, 400)
  await makeLarge(path.join(dir, 'large-1.0.0-any-any.tar'), 200)
  const gupper = await serve(work, dir)
  const listed = await fetch(`${gupper.url}/list`)
  await writeFile(path.join(work, 'list'), await listed.text())
  const nginx = await startNginx(work, dir)
  const etags = [await etagOf(`${gupper.url}/list`), await etagOf(`${nginx}/list`)] as const
  const small = '/download/app-1.0.7-linux-amd64'

  const figures: Figure[] = []
  const rate = async (
    what: string,
    target: string,
    reach: number,
    headers: [string[], string[]],
  ): Promise<void> => {
    const [ours, theirs] = await alternate(
      () => load(gupper.url + target, headers[0]),
      () => load(nginx + target, headers[1]),
    )
    figures.push(
      compare(what, 'nginx, one worker', reach, ours / theirs, `${perSecond(ours)} : ${perSecond(theirs)}`),
    )
  }
  await rate('/list of 400 packages', '/list', 0.8, [[], []])
  await rate('the same answered 304', '/list', 0.9, [
    [`If-None-Match: ${etags[0]}`],
    [`If-None-Match: ${etags[1]}`],
  ])
  await rate('a 1 KB download', small, 0.5, [[], []])
  const [ours, theirs] = await alternate(
    () => download(`${gupper.url}/download/large-1.0.0-any-any.tar`),
    () => download(`${nginx}/download/large-1.0.0-any-any.tar`),
  )
  const speeds = `${(ours / 1e6).toFixed(0)} MB/s : ${(theirs / 1e6).toFixed(0)} MB/s`
  figures.push(compare('a 200 MB download', 'nginx, one worker', 0.7, ours / theirs, speeds))

  for (const count of [10_000, 100_000]) {
    const many = path.join(work, `packages-${count}`)
    await makePackages(many, count)
    const start = performance.now()
    const other = await serve(work, many)
    const tag = await etagOf(`${other.url}/list`)
    const took = ((performance.now() - start) / 1000).toFixed(1)
    const [full, few] = await alternate(
      () => load(`${other.url}/list`, [`If-None-Match: ${tag}`]),
      () => load(`${gupper.url}/list`, [`If-None-Match: ${etags[0]}`]),
    )
    const rates = `${perSecond(full)} : ${perSecond(few)} (first list after ${took} s)`
    figures.push(compare(`a poll (304) with ${count} packages`, 'itself with 400', 0.95, full / few, rates))
    await stop(other.child)
  }
  figures.push(await measureMemory(work))
  await stop(gupper.child)
  return figures
}

async function measureMemory(work: string): Promise<Figure> {
  const dir = path.join(work, 'gigabyte')
  await mkdir(dir)
  await makeLarge(path.join(dir, 'huge-1.0.0-any-any.tar'), 1000)
  const gupper = await serve(work, dir)
  const url = `${gupper.url}/download/huge-1.0.0-any-any.tar`
  await Promise.all(Array.from({ length: 4 }, () => download(url)))
  const peak = await peakOf(gupper.child.pid ?? 0)
  const bare = spawn(process.execPath, ['-e', 'console.log(1); setInterval(() => {}, 1000)'])
  running.push(bare)
  await once(bare.stdout, 'data')
  const base = await peakOf(bare.pid ?? 0)
  await stop(bare)
  await stop(gupper.child)
  return {
    what: 'peak memory, four downloads of 1 GB at once',
    against: 'bare node',
    reach: '≤ + 80 MB',
    measured: `${peak.toFixed(0)} MB : ${base.toFixed(0)} MB`,
    ratio: peak / base,
    good: peak - base <= 80,
  }
}

function compare(what: string, against: string, reach: number, ratio: number, measured: string): Figure {
  return { what, against, reach: `≥ ${reach} ×`, measured, ratio, good: ratio >= reach }
}

// One after the other, again and again, and the best of each: what else the machine does then hits both alike.
async function alternate(
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<[number, number]> {
  const best: [number, number] = [0, 0]
  for (let round = 0; round < rounds; round++) {
    best[0] = Math.max(best[0], await ours())
    best[1] = Math.max(best[1], await theirs())
  }
  return best
}

async function load(url: string, headers: string[]): Promise<number> {
  const flags = headers.flatMap((header) => ['-H', header])
  const { stdout } = await run('wrk', ['-t1', '-c32', `-d${seconds}s`, ...flags, url])
  if (/Non-2xx or 3xx|Socket errors/.test(stdout)) throw new Error(stdout)
  return Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1])
}

async function download(url: string): Promise<number> {
  const { stdout } = await run('curl', ['-sf', '-o', '/dev/null', '-w', '%{speed_download}', url])
  return Number(stdout)
}

async function etagOf(url: string): Promise<string> {
  let answer = await fetch(url, { method: 'HEAD' })
  while (answer.status === 503) answer = await fetch(url, { method: 'HEAD' })
  return answer.headers.get('etag') ?? ''
}

async function serve(work: string, dir: string): Promise<{ url: string; child: ChildProcess }> {
  const log = await open(path.join(work, 'access.log'), 'a')
  const args = ['bin/gupper.js', 'serve', dir, '--host', '127.0.0.1', '--port', '0']
  const env = { ...process.env, XDG_CACHE_HOME: path.join(work, 'cache') }
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', log.fd] })
  running.push(child)
  await log.close()
  if (!child.stdout) throw new Error('no standard output')
  const lines = createInterface({ input: child.stdout })
  const [line] = (await once(lines, 'line')) as [string]
  return { url: (JSON.parse(line) as { listening: string }).listening, child }
}

async function startNginx(work: string, dir: string): Promise<string> {
  const port = 20_000 + (process.pid % 20_000)
  const config = path.join(work, 'nginx.conf')
  await writeFile(
    config,
    `daemon off; worker_processes 1; pid ${work}/nginx.pid; error_log ${work}/nginx.err;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events { worker_connections 1024; }
     http { sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 100000000; etag on;
       access_log ${work}/nginx.log combined buffer=64k flush=1s; client_body_temp_path ${work};
       default_type application/octet-stream;
       server { listen 127.0.0.1:${port};
         location = /list { root ${work}; default_type application/json; }
         location /download/ { alias ${dir}/; } } }`,
  )
  const child = spawn('nginx', ['-c', config, '-p', work], { stdio: 'ignore' })
  running.push(child)
  const url = `http://127.0.0.1:${port}`
  const deadline = Date.now() + 5000
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(`${url}/list`).catch(() => undefined)
    if (answer?.ok) return url
  }
  throw new Error(`nginx did not start: ${await readFile(`${work}/nginx.err`, 'utf8')}`)
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function makePackages(dir: string, count: number): Promise<void> {
  await mkdir(dir)
  const bytes = Buffer.alloc(1024, 'x')
  for (let i = 0; i < count; i++) {
    bytes.writeUInt32BE(i)
    await writeFile(path.join(dir, `app-1.${Math.floor(i / 100)}.${i % 100}-linux-amd64`), bytes)
  }
}

async function makeLarge(file: string, megabytes: number): Promise<void> {
  const handle = await open(file, 'w')
  const random = createReadStream('/dev/urandom', { end: (1 << 20) - 1, highWaterMark: 1 << 20 })
  const chunks: Buffer[] = []
  for await (const chunk of random as AsyncIterable<Buffer>) chunks.push(chunk)
  const block = Buffer.concat(chunks)
  for (let i = 0; i < megabytes; i++) await handle.write(block)
  await handle.close()
}

/** Peak resident memory in MB. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmHWM:\s*(\d+)/m.exec(status)?.[1]) / 1024
}

function perSecond(rate: number): string {
  return `${(rate / 1000).toFixed(1)} k/s`
}

if (import.meta.main)
  for (const { what, against, reach, measured, ratio, good } of await benchServe())
    console.log(
      `${good ? 'ok ' : 'NO '} ${what}: ${ratio.toFixed(2)} × ${against} (reach ${reach}), ${measured}`,
    )
