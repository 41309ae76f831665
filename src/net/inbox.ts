import type { Readable } from 'node:stream'
import { collectGarbage } from './garbage.ts'

/** The body of an answer, taken in as it comes. */
export interface Inbox {
  /** The next chunk, or undefined at the end. Throws what broke the connection, after all that came before that. */
  next(): Promise<Buffer | undefined>
  /** Ends the connection; what was not taken is dropped, and `next` throws the error. */
  destroy(error?: Error): void
}

// Enough for the network to go on while a batch is written; a 1 GB package must not gather in memory.
const most = 2 ** 18
const enough = 2 ** 23 // bytes after which their garbage is worth the trouble

/**
 * Takes a body in from the first moment on. A stream that is destroyed drops what nobody has read yet; over a line that
 * is cut again and again a download would never come forward.
 * @param body what node-fetch gives
 */
export function collect(body: Readable): Inbox {
  const queue: Buffer[] = []
  let bytes = 0
  let garbage = 0
  let end: { error: unknown } | 'end' | undefined
  let wake = (): void => undefined
  const finish = (how: NonNullable<typeof end>): void => {
    end ??= how
    wake()
  }
  body.on('data', (chunk: Buffer) => {
    queue.push(chunk)
    bytes += chunk.length
    if (bytes > most) body.pause()
    wake()
  })
  body.on('end', () => finish('end'))
  body.on('error', (error) => finish({ error }))
  body.on('close', () => finish({ error: new Error('the connection was cut') }))
  return {
    async next() {
      for (;;) {
        const chunk = queue.shift()
        if (chunk !== undefined) {
          bytes -= chunk.length
          garbage += chunk.length
          if (garbage > enough) {
            garbage = 0
            collectGarbage()
          }
          if (bytes <= most / 2) body.resume()
          return chunk
        }
        if (end === 'end') return undefined
        if (end !== undefined) throw end.error
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    destroy(error) {
      queue.length = 0
      if (error) finish({ error })
      body.destroy(error)
    },
  }
}
