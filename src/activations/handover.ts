import * as http from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { GupperError } from '../errors.ts'
import { formatAddress } from '../net/listening.ts'
import { addressOf } from './address.ts'
import { findPort } from './port.ts'
import type { Running, Stage, Way } from './activation.ts'

/**
 * The protocol of self-update: the new program is started with `-upgrade true -upgrade-bind A -bind B` and serves
 * `GET /replace` at A; when that is called it binds B. The old one must have let go of B by then, so for that moment nobody
 * answers. Mended here: nobody sleeps, the new one is seen to bind, and the old one is started again when it does not.
 */
export function createHandover<P extends Running>(stage: Stage<P>): Way<P> {
  const { listen } = stage
  if (listen === undefined || 'path' in listen)
    throw new GupperError('usage', 'a hand-over needs the address that the program binds', {
      hint: 'e.g.: --listen 127.0.0.1:8080',
    })
  const bind = formatAddress(listen)
  const waiting = new Set<string>()
  return {
    name: 'handover',
    overlapping: true,
    inPlace: false,
    shared: false,
    caveat: 'nobody answers between the end of the old program and the moment the new one binds its address',
    async start(release, from) {
      if (from === undefined || from.end !== undefined) return stage.start(release, { args: ['-bind', bind] })
      const port = await findPort()
      const args = ['-upgrade', 'true', '-upgrade-bind', `127.0.0.1:${port}`, '-bind', bind]
      const program = await stage.start(release, { args, port })
      waiting.add(program.id)
      return program
    },
    addressOf: () => addressOf(listen),
    async probe(program, signal) {
      if (waiting.has(program.id)) await untilConnected(program, signal)
    },
    async switch(to, from) {
      if (!waiting.delete(to.id)) return
      await from?.stop(stage.drain)
      await replace(to)
    },
    drain: () => Promise.resolve({ in_flight: null, cut: null, lost: null }),
  }
}

/** Waits until the new program's own small server answers anything at all; only then the old one is told to go. */
async function untilConnected({ port = 0 }: Running, signal: AbortSignal): Promise<void> {
  for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
    const reason = await request(port, 'HEAD', '/', signal).then(
      () => undefined,
      (error: unknown) => String((error as NodeJS.ErrnoException).code ?? error),
    )
    if (reason === undefined) return
    await delay(pause, undefined, { signal }).catch(() => {
      throw new GupperError(
        'not-ready',
        `nothing answers at 127.0.0.1:${port}, which it was given as -upgrade-bind: ${reason}`,
      )
    })
  }
}

async function replace({ port = 0 }: Running): Promise<void> {
  const status = await request(port, 'GET', '/replace', AbortSignal.timeout(10_000)).catch(
    (error: unknown) => {
      // It may close its small server before it has answered; whether it binds is seen by what it answers then.
      if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') return 200
      throw new GupperError(
        'not-ready',
        `GET /replace: ${error instanceof Error ? error.message : String(error)}`,
      )
    },
  )
  if (status !== 200) throw new GupperError('not-ready', `GET /replace was answered with ${status}`)
}

async function request(port: number, method: string, path: string, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = http.request({ host: '127.0.0.1', port, method, path, signal, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    sent.on('error', reject)
    sent.end()
  })
}
