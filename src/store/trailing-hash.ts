import type * as crypto from 'node:crypto'
import type * as fs from 'node:fs'
import type * as threads from 'node:worker_threads'
import { explaining } from '../errors.ts'
import { hashFile } from '../package/digest.ts'

/** A hash that runs behind the writer of a file, on another processor. */
export interface TrailingHash {
  /** Says that the file holds its first `to` bytes by now. */
  advance(to: number): void
  /** Says that the file is complete; gives its digest. */
  finish(size: number): Promise<string>
  /** Gives up; safe to call at any time. */
  stop(): void
}

// Below this, starting a thread takes longer than hashing.
const worthAThread = 8 * 2 ** 20

/**
 * Starts to hash a file that grows. SHA-256 is what a fast download waits for, so it gets a thread of its own, which reads
 * the file behind the writer, out of the page cache, with one small buffer.
 * @param path the file; what is in it when a download is resumed is hashed like the rest
 */
export function startTrailingHash(path: string): TrailingHash {
  let thread: Promise<Thread> | undefined
  const tell = async (to: number, last: boolean): Promise<Thread> => {
    const running = await (thread ??= startThread(path))
    running.worker.postMessage({ to, last } satisfies Message)
    return running
  }
  return {
    advance(to) {
      // A thread that could not be started says so in finish().
      if (to >= worthAThread) tell(to, false).catch(() => undefined)
    },
    finish: (size) =>
      explaining(
        `cannot read ${path}`,
        async () => {
          if (thread === undefined && size < worthAThread) return (await hashFile(path)).digest
          return (await tell(size, true)).digest
        },
        true,
      ),
    stop() {
      thread?.then(({ worker }) => worker.terminate()).catch(() => undefined)
      thread = undefined
    },
  }
}

interface Message {
  to: number
  last: boolean
}

interface Thread {
  worker: threads.Worker
  digest: Promise<string>
}

async function startThread(path: string): Promise<Thread> {
  const { Worker } = await import('node:worker_threads')
  // Its source travels as text, so that it needs no file of its own in a bundle.
  const worker = new Worker(`(${hashBehind.toString()})(require)`, { eval: true, workerData: path, env: {} })
  const digest = new Promise<string>((resolve, reject) => {
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the hash was given up')))
  })
  // Whoever waits for it sees it fail; nobody may.
  digest.catch(() => undefined)
  return { worker, digest }
}

/** Runs in the thread: must use nothing from this module. */
function hashBehind(load: (name: string) => unknown): void {
  const thread = load('node:worker_threads') as typeof threads
  const { openSync, readSync } = load('node:fs') as typeof fs
  const { createHash } = load('node:crypto') as typeof crypto
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafeSlow(2 ** 18)
  const file = openSync(thread.workerData as string, 'r')
  let at = 0
  thread.parentPort?.on('message', (message: unknown) => {
    const { to, last } = message as Message
    while (at < to) {
      const read = readSync(file, buffer, 0, Math.min(buffer.length, to - at), at)
      if (read === 0) break
      hash.update(buffer.subarray(0, read))
      at += read
    }
    if (last) thread.parentPort?.postMessage(`sha256:${hash.digest('hex')}`)
  })
}
