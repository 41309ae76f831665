// A small service for examples, tests and benches: node scripts/services/web.js
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'

const { listen, onDrain } = await import('../../src/service.ts').catch(() => import('gupper/service'))

const version = process.env.VERSION ?? process.env.GUPPER_VERSION ?? ownVersion()
const streams = new Set()

const server = createServer((req, res) => {
  const url = new URL(req.url, 'http://service')
  if (url.pathname === '/' || url.pathname === '/version') res.end(version)
  else if (url.pathname === '/slow')
    setTimeout(() => res.end(version), Number(url.searchParams.get('ms') ?? 1000))
  else if (url.pathname === '/stream') stream(res)
  else if (url.pathname === '/echo' && req.method === 'POST') req.pipe(res)
  else res.writeHead(404).end('not found')
})

function stream(res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
  const tick = () => res.write(`data: ${version}\n\n`)
  const timer = setInterval(tick, 100)
  streams.add(res)
  res.on('close', () => {
    clearInterval(timer)
    streams.delete(res)
  })
  tick()
}

function ownVersion() {
  try {
    return JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8')).version
  } catch {
    return 'unknown'
  }
}

// A stream has no end of its own: its client connects again, to the new version.
onDrain(() => streams.forEach((res) => res.end()))

const address = await listen(server, { port: 8080, host: '127.0.0.1' })
console.log(
  `${version} listens at ${typeof address === 'string' ? address : `${address.address}:${address.port}`}`,
)
