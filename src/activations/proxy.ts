import { GupperError } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import type { Backend, Proxy } from '../proxy/proxy.ts'
import { findPort } from './port.ts'
import type { Running, Stage, Way } from './activation.ts'

const host = '127.0.0.1'

/** How the proxy treats requests. */
export interface ProxyWayOptions {
  /** ms a request waits while nobody answers. */
  hold: number
  observer: Observer
}

/** gupper's own HTTP proxy stands before the program, which gets a port of its own: for any HTTP server. */
export function createProxy<P extends Running>(stage: Stage<P>, options: ProxyWayOptions): Way<P> {
  let opened: Proxy | undefined
  const proxy = (): Proxy => {
    if (opened === undefined) throw new Error('the proxy is not open')
    return opened
  }
  const backend = ({ id, port = 0 }: Running): Backend => ({ id, host, port })
  return {
    name: 'proxy',
    overlapping: true,
    inPlace: false,
    shared: false,
    async open() {
      if (stage.listen === undefined)
        throw new GupperError('usage', 'the proxy needs an address', { hint: 'e.g.: --listen 8080' })
      const { openProxy } = await import('../proxy/open.ts')
      const { hold: holdMs, observer } = options
      opened = await openProxy({ listen: stage.listen, holdMs, observer })
    },
    async start(release) {
      const port = await findPort()
      return stage.start(release, { port, env: { PORT: String(port), HOST: host } })
    },
    addressOf: ({ port = 0 }) => ({ host, port }),
    switch: (to) => {
      proxy().switchTo(backend(to))
      return Promise.resolve()
    },
    hold: (reason) => opened?.switchTo(undefined, reason),
    async drain(from, signal) {
      const { inFlight, cut } = await proxy().drain(from.id, stage.drain, signal)
      signal.throwIfAborted()
      await from.stop(stage.grace)
      return { in_flight: inFlight, cut, lost: null }
    },
    url: () => opened?.url,
    counts: () => proxy().counts(),
    close: async (drain) => opened?.close(drain),
  }
}
