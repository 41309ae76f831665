import { execFile, type ChildProcess } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import { promisify } from 'node:util'
import { atLeast, atMost, median, perSecond, type Part } from './figure.ts'
import { linesOf, start, stop } from './machine.ts'

const run = promisify(execFile)
const rounds = 5
const seconds = 2

/** The proxy against nginx with one worker, before the same program: another nginx with a small answer. */
export const proxying: Part = {
  name: 'proxy',
  needs: ['nginx', 'wrk'],
  async *measure(work) {
    const port = await freePort()
    const direct = `http://127.0.0.1:${port}/`
    const program = await startNginx(work, 'program', port, 'location / { return 200 "a small answer\\n"; }')
    const front = await freePort()
    const nginx = await startNginx(
      work,
      'front',
      front,
      `location / { proxy_pass http://program; proxy_http_version 1.1; proxy_set_header Connection "";
         proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
         proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $http_host; }`,
      `upstream program { server 127.0.0.1:${port}; keepalive 128; keepalive_requests 100000000; }`,
    )
    const script = path.join(import.meta.dirname, 'proxy-process.ts')
    const gupper = start(work, process.execPath, script, String(port))
    const ours = `${await linesOf(gupper)()}/`
    const theirs = `http://127.0.0.1:${front}/`

    const against = 'nginx proxy_pass, one worker'
    const what = 'proxy: small answers, 32 connections'
    const [rate, peer] = await alternate((url) => load(url, 32), ours, theirs)
    yield atLeast(0.9, { what, against, ours: rate.rate, theirs: peer.rate, unit: perSecond })

    // What a proxy adds to what the program takes by itself.
    const [a, b, base] = await alternate((url) => load(url, 1), ours, theirs, direct)
    yield atMost(1.5, {
      what: 'proxy: added p99 at one connection',
      against,
      ours: Math.max(0, a.p99 - base.p99),
      theirs: Math.max(1, b.p99 - base.p99),
      unit: microseconds,
    })
    for (const child of [gupper, nginx, program]) await stop(child)
  },
}

const microseconds = (value: number): string => `${value.toFixed(0)} µs`

/** What wrk saw: requests a second, and the time that 99 of 100 answers came within, µs. */
interface Load {
  rate: number
  p99: number
}

const none: Load = { rate: Number.NaN, p99: Number.NaN }

/**
 * Measures addresses one after the other, again and again, so that what else the machine does hits them alike.
 * @returns the medians of each; the first round only warms up
 */
async function alternate(
  measure: (url: string) => Promise<Load>,
  ...urls: string[]
): Promise<[Load, Load, Load]> {
  const all = urls.map((): Load[] => [])
  for (let round = 0; round <= rounds; round++)
    for (const [index, url] of urls.entries()) {
      const value = await measure(url)
      if (round > 0) all[index]?.push(value)
    }
  const [first = none, second = none, third = none] = all.map((loads) => ({
    rate: median(loads.map(({ rate }) => rate)),
    p99: median(loads.map(({ p99 }) => p99)),
  }))
  return [first, second, third]
}

async function load(url: string, connections: number): Promise<Load> {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', url])
  if (/Non-2xx or 3xx|Socket errors/.test(stdout)) throw new Error(stdout)
  const [, number, unit = ''] = /99%\s+([\d.]+)(us|ms|s)/.exec(stdout) ?? []
  const scale = { us: 1, ms: 1e3, s: 1e6 }[unit] ?? Number.NaN
  return { rate: Number(/Requests\/sec:\s*([\d.]+)/.exec(stdout)?.[1]), p99: Number(number) * scale }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Starts nginx with one worker that does `location`, and keeps connections for ever. */
async function startNginx(
  work: string,
  name: string,
  port: number,
  location: string,
  upstream = '',
): Promise<ChildProcess> {
  const home = path.join(work, `nginx-${name}`)
  await mkdir(home, { recursive: true })
  const file = path.join(home, 'nginx.conf')
  await writeFile(
    file,
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/err;
     ${process.getuid?.() === 0 ? 'user root;' : ''}
     events { worker_connections 1024; }
     http { tcp_nodelay on; keepalive_requests 100000000; access_log off; default_type text/plain;
       client_body_temp_path ${home}; proxy_temp_path ${home};
       ${upstream}
       server { listen 127.0.0.1:${port}; ${location} } }`,
  )
  const child = start(work, 'nginx', '-c', file, '-p', home)
  const deadline = Date.now() + 5000
  while (Date.now() < deadline && child.exitCode === null) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined)
    if (answer?.ok) return child
  }
  throw new Error(`nginx did not start: ${await readFile(`${home}/err`, 'utf8')}`)
}
