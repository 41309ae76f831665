import { spawn } from 'node:child_process'
import { kill } from 'node:process'
import type { Readable } from 'node:stream'

/** How a program that ran in its own process group came to its end. */
export interface Ended {
  /** Its exit status, when it ended by itself. */
  code: number | undefined
  /** The signal that ended it. */
  signal: NodeJS.Signals | undefined
  /** Why it was killed by us, if it was. */
  killed: 'deadline' | 'output' | undefined
  /** The system's error code, when it could not be started at all. */
  failed: string | undefined
}

/** How to run a program in its own process group. */
export interface GroupOptions {
  /** Milliseconds until the whole group is killed. */
  deadline: number
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Takes the output as it comes; returns false to have the group killed. */
  onOutput(chunk: Buffer, stream: 'stdout' | 'stderr'): boolean
  signal?: AbortSignal | undefined
}

// A grandchild that left the group may hold our pipe open for ever; nothing it says belongs to the answer.
const drain = 500

/**
 * Runs a program without a shell, stdin from /dev/null, and lets no member of its process group outlive it: the
 * group is killed (SIGKILL) when its leader ends, at the deadline, and when the caller is aborted.
 * @returns how it ended
 * @throws the reason of `signal` when that was aborted
 */
export async function runGroup(file: string, args: readonly string[], options: GroupOptions): Promise<Ended> {
  const { signal } = options
  signal?.throwIfAborted()
  const child = spawn(file, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: options.env,
    cwd: options.cwd,
    windowsHide: true,
  })
  let killed: Ended['killed']
  const end = (reason?: Ended['killed']): void => {
    if (child.pid === undefined) return
    if (child.exitCode === null && child.signalCode === null) killed ??= reason
    killGroup(child.pid)
  }
  const onAbort = (): void => end()
  const deadline = setTimeout(end, options.deadline, 'deadline')
  signal?.addEventListener('abort', onAbort, { once: true })
  const listen = (stream: Readable, name: 'stdout' | 'stderr'): void => {
    stream.on('data', (chunk: Buffer) => options.onOutput(chunk, name) || end('output'))
    stream.on('error', () => undefined)
  }
  listen(child.stdout, 'stdout')
  listen(child.stderr, 'stderr')
  let draining: NodeJS.Timeout | undefined
  try {
    return await new Promise<Ended>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        resolve({ code: undefined, signal: undefined, killed, failed: error.code ?? error.message })
      })
      child.on('exit', () => {
        end()
        draining = setTimeout(() => [child.stdout, child.stderr].forEach((stream) => stream.destroy()), drain)
      })
      child.on('close', (code, signalName) => {
        if (signal?.aborted === true) reject(signal.reason as Error)
        else resolve({ code: code ?? undefined, signal: signalName ?? undefined, killed, failed: undefined })
      })
    })
  } finally {
    clearTimeout(deadline)
    clearTimeout(draining)
    signal?.removeEventListener('abort', onAbort)
  }
}

function killGroup(leader: number): void {
  try {
    kill(-leader, 'SIGKILL')
  } catch {
    // ESRCH: the group has no member any more, which is what we want.
  }
}
