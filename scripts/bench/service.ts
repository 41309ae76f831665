import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { environment, gupper } from './machine.ts'

const web = resolve(import.meta.dirname, '../services/web.js')
const patience = 20_000 // ms that anything may take that is waited for

/** What a hand-over came to, as `activate` tells it. */
export interface Activated {
  to: string
  state: string
  took_ms: number
  switched_ms: number
  lost: number | null
  cut: number | null
}

/** How a service is started for a bench. */
export interface ServiceOptions {
  /** An empty directory, for all that it has. */
  work: string
  /** Flags of `gupper run`, and `--` with a command, if it is another than the program itself. */
  run: readonly string[]
  /** The file of a version's program; a small web service that answers its version, unless said otherwise. */
  program?: (version: string) => string
  /** gupper, as it is started. */
  command?: readonly [string, string]
}

/** A service that runs: `gupper run`, and a pipe of `install` and `activate` that takes version after version. */
export interface Service {
  /** The supervisor. */
  child: ChildProcess
  port: number
  /**
   * Makes a version live.
   * @param decided is called when it is installed, right before it is activated
   * @returns its record, when it is committed
   */
  activate(version: string, decided?: () => void): Promise<Activated>
  /** Ends it, well. */
  stop(): Promise<void>
}

/** The web service of the examples, as a script that becomes it; the bytes of each version are its own. */
export const webProgram = (version: string): string =>
  `#!/bin/sh\nVERSION=${version} exec '${process.execPath}' '${web}'\n`

/** Starts a service; its first version answers when this returns. Whatever fails here or later throws with what was said. */
export async function startService(first: string, options: ServiceOptions): Promise<Service> {
  const { work, run, program = webProgram, command = gupper } = options
  await mkdir(work, { recursive: true })
  const running: Running[] = []
  const begin = (verb: string, ...args: string[]): Running => {
    const one = launch(work, [...command, verb, ...args])
    running.push(one)
    return one
  }
  try {
    const install = begin('install', '--to', 'app', '--require', 'none')
    const activate = begin('activate', 'app')
    install.child.stdin.write(`${await pack(work, first, program)}\n`)
    const installed = await install.next()
    // Its first record must not reach `activate`: nobody runs it yet.
    const supervisor = begin('run', '--name', 'app', '--to', 'app', ...run)
    for (let event = ''; event !== 'started';) {
      const told = JSON.parse(await supervisor.next()) as { event: string; state?: string; reason?: string }
      event = told.event
      if (event === 'started' && told.state !== 'committed')
        throw new Error(`${installed}: ${String(told.reason)}`)
    }
    const status = promisify(execFile)(command[0], [command[1], 'status', 'app'], where(work))
    const { listen = '' } = JSON.parse((await status).stdout) as { listen?: string }
    return {
      child: supervisor.child,
      port: Number(/\d+$/.exec(listen)?.[0]),
      async activate(version, decided) {
        install.child.stdin.write(`${await pack(work, version, program)}\n`)
        const record = await install.next()
        decided?.()
        activate.child.stdin.write(`${record}\n`)
        const { activated, error } = JSON.parse(await activate.next()) as {
          activated?: Activated
          error?: { message: string }
        }
        if (activated?.state !== 'committed') throw new Error(error?.message ?? JSON.stringify(activated))
        return activated
      },
      async stop() {
        install.child.stdin.end()
        activate.child.stdin.end()
        supervisor.child.kill('SIGTERM')
        await Promise.all(running.map(async (one) => one.ended()))
      },
    }
  } catch (error) {
    // Not SIGKILL: the supervisor takes its program with it.
    for (const { child } of running) child.kill('SIGTERM')
    await Promise.allSettled(running.map(async (one) => one.ended()))
    throw error
  }
}

interface Running {
  child: ChildProcess & { stdin: NodeJS.WritableStream }
  /** Its next line. */
  next(): Promise<string>
  /** Returns when it has ended well. */
  ended(): Promise<void>
}

// The program's modules are compiled once, not once a version.
const where = (work: string): { cwd: string; env: NodeJS.ProcessEnv } => ({
  cwd: work,
  env: { ...environment(work), NODE_COMPILE_CACHE: join(work, 'compiled') },
})

function launch(work: string, [file = '', ...args]: readonly string[]): Running {
  const child = spawn(file, args, { ...where(work), stdio: ['pipe', 'pipe', 'pipe'] })
  const exit = once(child, 'exit')
  const closed = once(child.stdout, 'close')
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4000)))
  // Whoever is gone is told of by `next`.
  child.stdin.on('error', () => undefined)
  // All of it is read, asked for or not: what waits for its reader does not end.
  const lines: string[] = []
  let wanted: (() => void) | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    wanted?.()
  })
  const inTime = async <T>(work: Promise<T>): Promise<T> => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${args.join(' ')}: nothing for a while\n${said}`)), patience)
    })
    return Promise.race([work, late]).finally(() => clearTimeout(timer))
  }
  return {
    child,
    async next() {
      if (lines.length === 0)
        await inTime(Promise.race([new Promise<void>((resolve) => (wanted = resolve)), closed]))
      const line = lines.shift()
      if (line === undefined) throw new Error(`${args.join(' ')} has ended\n${said}`)
      return line
    },
    async ended() {
      const [status] = (await inTime(exit)) as [number | null]
      if (status !== 0) throw new Error(`${args.join(' ')} ended with ${String(status)}\n${said}`)
    },
  }
}

/** Writes the package of a version. @returns its record */
async function pack(work: string, version: string, program: (version: string) => string): Promise<string> {
  const bytes = Buffer.from(program(version))
  const file = `app-${version}-any-any`
  const path = join(work, 'packages', file)
  await mkdir(join(work, 'packages'), { recursive: true })
  await writeFile(path, bytes, { mode: 0o755 })
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const record = { schema: 1, name: 'app', version, os: 'any', arch: 'any', file, size: bytes.length }
  // As of a stream that does not end: each step acts on it at once.
  return JSON.stringify({ ...record, digest, path, watched: { at: new Date().toISOString() } })
}
