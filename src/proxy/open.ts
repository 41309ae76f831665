import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { EventEmitter } from 'node:events'
import { Server as NetServer, type Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { listenAt } from '../net/listening.ts'
import { silent, type Observer } from '../package/observer.ts'
import { Exchange } from './exchange.ts'
import { KnownHeaders } from './known-headers.ts'
import { Lane } from './lane.ts'
import { Line } from './line.ts'
import { makeServer } from './listener.ts'
import type { Proxy, ProxyOptions } from './proxy.ts'
import { Traffic } from './traffic.ts'
import { mayUpgrade, Offer } from './tunnel.ts'
import type { MakeClient } from './upstream.ts'

const mostPipelined = 100

/**
 * Opens the proxy; until it is told of a program, requests wait.
 * @returns when it listens
 * @throws GupperError `unreachable` (69) when its address is taken, not allowed or not this machine's
 */
export async function openProxy(options: ProxyOptions): Promise<Proxy> {
  const { observer = silent, holdMs = 10_000, mostHeld = 10_000 } = options
  const make = await loadClient(observer)
  const traffic = new Traffic({ holdMs, mostHeld, make })
  const server = makeServer(mayUpgrade)
  serve(server, traffic)
  const url = await listenAt(server, options.listen, { flag: '--listen' })
  server.on('error', (error) => observer.error(`the proxy: ${error.message}`))
  return {
    url,
    get current() {
      return traffic.current
    },
    switchTo: (backend, reason) => traffic.switchTo(backend, reason),
    inFlight: (id) => traffic.inFlight(id),
    drain: (id, deadlineMs, signal) => traffic.drain(id, deadlineMs, signal),
    counts: () => traffic.takeCounts(),
    close: (drainMs) => close(server, traffic, drainMs),
  }
}

async function loadClient(observer: Observer): Promise<MakeClient> {
  const { Client } = await import('undici')
  // A program may take as long as it likes: to answer at all, and between two parts of its answer.
  const patient = { headersTimeout: 0, bodyTimeout: 0, maxHeaderSize: 256 << 10, pipelining: 1 }
  return (origin, over) => {
    // Asked a second time it has broken: there is no other.
    const connect: buildConnector.connector = (_, done) =>
      queueMicrotask(() => {
        if (over?.destroyed) done(new Error('the program closed the connection'), null)
        else done(null, over as Socket)
      })
    const client = new Client(origin, over ? { ...patient, connect } : patient)
    const emitter: EventEmitter = client
    emitter.on('error', (error: Error) =>
      observer.error(`the proxy: ${error.message}`, { stack: error.stack }),
    )
    return client
  }
}

function serve(server: Server, traffic: Traffic): void {
  const lines = new WeakMap<Socket, Line>()
  const known = new KnownHeaders()
  const lineOf = (socket: Socket): Line => {
    const met = lines.get(socket)
    if (met) return met
    const line = new Line(socket)
    lines.set(socket, line)
    line.lane = Lane.attach(traffic, known, socket, line)
    return line
  }
  const handle = (req: IncomingMessage, res: ServerResponse): void => {
    const line = lineOf(req.socket)
    const { raw, takeOver } = line.lane ?? {}
    if (raw !== undefined) known.remember(raw, req)
    const exchange = new Exchange(traffic, line, req, res, takeOver)
    if (line.waiting < mostPipelined) line.add(exchange)
    else exchange.refuse(503, 'too many requests came at once on one connection')
  }
  server.on('connection', lineOf)
  // Node looks after connections that are idle; what is under way in a lane it does not see.
  server.on('timeout', (socket: Socket) => {
    if (!lineOf(socket).busy) socket.destroy()
  })
  server.on('request', handle)
  server.on('checkContinue', handle)
  server.on('upgrade', (req, _, head) => {
    const socket = req.socket
    socket.on('error', () => socket.destroy())
    const line = lineOf(socket)
    line.lane?.detach()
    // Its answer would have to wait for one that is not there yet, and that Node has no place for any more.
    if (line.busy) socket.destroy()
    else {
      const offer = new Offer(req, socket, head)
      line.add(new Exchange(traffic, line, req, offer.res, undefined, offer))
    }
  })
}

async function close(server: Server, traffic: Traffic, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.once('close', resolve))
  // Not http's own close yet: it cuts idle connections, on which a request may be on its way at this very moment.
  NetServer.prototype.close.call(server)
  await traffic.end(drainMs)
  server.close()
  const timer = setTimeout(() => server.closeAllConnections(), 0)
  await closed
  clearTimeout(timer)
}
