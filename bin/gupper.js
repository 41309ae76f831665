#!/usr/bin/env node
// Starts gupper: dist/ where it was built, else src/ directly. A Node that is too old hands over to a newer one.
// Default imports only: a named one that an old Node lacks would end in a stack trace before the check below.
import module from 'node:module'
import path from 'node:path'
import url from 'node:url'

// Set by the Node that was too old: it cannot take us along where it is killed.
const starter = Number(process.env.GUPPER_STARTER)
delete process.env.GUPPER_STARTER
const root = path.dirname(path.dirname(url.fileURLToPath(import.meta.url)))
const [major, minor] = process.versions.node.split('.').map(Number)

if (starter > 0) endWith(starter)
if (major > 24 || (major === 24 && minor >= 15)) {
  // Not the default place in /tmp: others could put code there, and gupper may run as root.
  const caches = process.env.XDG_CACHE_HOME || (process.env.HOME && path.join(process.env.HOME, '.cache'))
  if (caches && path.isAbsolute(caches)) module.enableCompileCache?.(path.join(caches, 'gupper', 'compiled'))
  // The verbs that stand in pipes are whole files of their own, since those start in less time.
  const verb = /^[a-z]+$/.exec(process.argv[2] ?? '')
  const files = ['dist/cli.js', 'src/cli.ts']
  await start(verb ? [`dist/verbs/${verb[0]}.js`, ...files] : files)
} else {
  await handOver()
}

// Whoever killed the one it knows of, with -9, meant us.
function endWith(parent) {
  const look = () => process.ppid === parent || process.kill(process.pid, 'SIGKILL')
  look()
  setInterval(look, 200).unref()
}

async function start([file, ...others]) {
  const place = url.pathToFileURL(path.join(root, file)).href
  try {
    await import(place)
  } catch (error) {
    if (others.length === 0 || error?.code !== 'ERR_MODULE_NOT_FOUND' || error.url !== place) throw error
    await start(others)
  }
}

async function handOver() {
  const { existsSync } = await import('node:fs')
  // `npm ci` in a checkout brings a current Node; so does `npm install node` beside an installed gupper.
  const nodes = [path.join(root, 'node_modules', 'node'), path.join(path.dirname(root), 'node')]
  const node = nodes.map((place) => path.join(place, 'bin', 'node')).find((file) => existsSync(file))
  if (!node) {
    process.stderr.write(
      `gupper: Node ${process.versions.node} is too old: install Node 24.15 or later (or run \`npm ci\` in ${root})\n`,
    )
    process.exitCode = 78
    return
  }
  const args = [url.fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  if (process.execve) process.execve(node, [node, ...args], process.env)
  const { spawn } = await import('node:child_process')
  const env = { ...process.env, GUPPER_STARTER: String(process.pid) }
  const child = spawn(node, args, { stdio: 'inherit', env })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2']
  for (const signal of signals) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`gupper: cannot start ${node}: ${error.message}\n`)
    process.exitCode = 78
  })
  child.on('exit', (status, signal) => {
    for (const name of signals) process.removeAllListeners(name)
    if (signal) process.kill(process.pid, signal)
    process.exitCode = status ?? 70
  })
}
