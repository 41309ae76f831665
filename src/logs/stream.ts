import { constants, openSync, readSync } from 'node:fs'
import { Socket } from 'node:net'
import { errnoOf, explain } from '../errors.ts'
import type { LogStream } from './log.ts'

/** Takes what is read: a log, or a program's own place in it. */
export interface Sink {
  write(stream: Program, chunk: Buffer): boolean
  end(stream: Program): void
  say(line: string): void
  onDrain(listener: () => void): () => void
}

type Program = Exclude<LogStream, 'gupper'>

/** A stream of a program that is being read. */
export interface ReadStream {
  /** Resolves when its last holder is gone and all that it wrote is in the writer, or when `stop` has let go. */
  ended: Promise<void>
  /** Takes what is in the pipe now and lets go; the program's later output waits in the pipe. */
  stop: () => Promise<void>
}

// As much as the kernel lets a pipe hold: what is more has been written since.
const largestPipe = 2 ** 20

/**
 * Reads a program's FIFO into its log, without the thread pool, and pauses while the disk is behind. The order of calls:
 * `mkfifo`, open it O_RDWR (the program's end), `readStream`, start the program with that end, close one's own copy of
 * it: so there is no moment without a writer, and the end is seen when the last holder is gone, and only then. A FIFO that
 * nobody holds yet is waited for.
 * @param source the FIFO's path, or a descriptor that reads without blocking; it is closed in the end
 * @throws GupperError `cannot-read` (69)
 */
export function readStream(source: string | number, stream: Program, writer: Sink): ReadStream {
  const fd = typeof source === 'number' ? source : openFifo(source)
  const buffer = Buffer.allocUnsafeSlow(64 * 1024)
  const take = (length: number): boolean => writer.write(stream, buffer.subarray(0, length))
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    // One buffer for all reads: the writer copies.
    onread: { buffer, callback: take },
  })
  const drained = writer.onDrain(() => socket.resume())
  const { promise: ended, resolve } = Promise.withResolvers<undefined>()
  socket.once('end', () => writer.end(stream))
  socket.once('error', (error) => writer.say(`cannot read the program's ${stream}: ${error.message}`))
  socket.once('close', () => {
    drained()
    resolve(undefined)
  })
  socket.resume()

  const stop = async (): Promise<void> => {
    if (!socket.destroyed) {
      drained()
      socket.pause()
      if (drain(fd, buffer, take)) writer.end(stream)
      socket.destroy()
    }
    await ended
  }
  return { ended, stop }
}

function openFifo(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    throw explain(error, `cannot read ${path}`, true)
  }
}

// Whether the end was seen.
function drain(fd: number, buffer: Buffer, take: (length: number) => boolean): boolean {
  try {
    for (let rest = largestPipe, length; rest > 0; rest -= length) {
      length = readSync(fd, buffer, 0, Math.min(buffer.length, rest), null)
      if (length === 0) return true
      take(length)
    }
  } catch (error) {
    if (errnoOf(error) !== 'EAGAIN') throw error
  }
  return false
}
