import { GupperError } from '../errors.ts'
import type { Answer } from './exchange.ts'
import type { Inbox } from './inbox.ts'
import type { Limits } from './limits.ts'
import { Transient, troubleOf } from './trouble.ts'

/** What a body's reader bears. */
export interface Patience extends Pick<Limits, 'idle' | 'rate' | 'rateWindow'> {
  /** How long the whole body may take, in ms. */
  total: number
  signal: AbortSignal | undefined
}

/**
 * Gives the chunks of a body as they come. Only time spent waiting for the other side counts against it, never the time
 * its reader takes, so a slow disk is not taken for a slow server.
 * @throws Transient when it stalls, drips, takes too long or is cut
 */
export async function* readBody({ body, url }: Answer, patience: Patience): AsyncGenerator<Buffer> {
  const { signal } = patience
  const watch = watchBody(body, url, patience)
  const stop = (): void => body.destroy(signal?.reason as Error)
  signal?.addEventListener('abort', stop)
  try {
    if (signal?.aborted) stop()
    for (;;) {
      watch.wait()
      const chunk = await body.next()
      if (chunk === undefined) return
      watch.receive(chunk.length)
      yield chunk
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw watch.failure ?? troubleOf(error, url)
  } finally {
    watch.end()
    signal?.removeEventListener('abort', stop)
    // A body that was not read to its end would hold its connection for ever.
    body.destroy()
  }
}

interface Watch {
  failure: Transient | undefined
  wait(): void
  receive(bytes: number): void
  end(): void
}

function watchBody(body: Inbox, url: string, limits: Patience): Watch {
  const { idle, rate, rateWindow, total } = limits
  const started = performance.now()
  let since: number | undefined
  let waited = 0
  let bytes = 0
  const fail = (reason: string): void => {
    watch.failure = new Transient(`${url} ${reason}`)
    body.destroy(watch.failure)
  }
  const check = (): void => {
    const now = performance.now()
    const waiting = since === undefined ? 0 : now - since
    if (now - started > total) fail(`took more than ${seconds(total)}`)
    else if (waiting > idle) fail(`sent nothing for ${seconds(idle)}`)
    else if (waited + waiting > rateWindow) {
      if ((bytes * 1000) / (waited + waiting) < rate) fail(`sends less than ${rate} bytes a second`)
      waited = -waiting
      bytes = 0
    }
  }
  const shortest = Math.min(idle, rateWindow, total)
  // An event stream that may be silent for ever needs no clock, and must not wake an idle process.
  const timer =
    shortest === Infinity ? undefined : setInterval(check, Math.max(5, Math.min(1000, shortest / 4)))
  const watch: Watch = {
    failure: undefined,
    wait: () => (since = performance.now()),
    receive(length) {
      if (since !== undefined) waited += performance.now() - since
      since = undefined
      bytes += length
    },
    end: () => clearInterval(timer),
  }
  return watch
}

function seconds(ms: number): string {
  return `${Math.round(ms / 100) / 10} s`
}

/**
 * Reads a small body into memory.
 * @param most how many bytes it may have
 * @throws GupperError `too-large` (76) as soon as it has more
 */
export async function readWhole(answer: Answer, patience: Patience, most: number): Promise<Buffer> {
  const tooLarge = (): GupperError =>
    new GupperError('too-large', `the answer from ${answer.url} is larger than ${most} bytes`)
  if (Number(answer.headers.get('content-length') ?? 0) > most) {
    answer.body.destroy()
    throw tooLarge()
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of readBody(answer, patience)) {
    size += chunk.length
    if (size > most) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}
