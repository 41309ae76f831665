import * as http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import * as https from 'node:https'
import * as net from 'node:net'
import type { Socket } from 'node:net'
import { closeWith, sayFarewell } from './farewell.ts'

/** A server that a service listens with. */
export type ServiceServer = net.Server | http.Server | https.Server

interface Connection {
  socket: Socket
  /** The answer to its latest request. Answers go out in order: when this one is out, all are. */
  latest?: ServerResponse
  /** Connection: close has been said, or it is being closed: no request is processed any more. */
  leaving: boolean
  /** It is no HTTP/1 any more (a websocket), or was never: its program, or its session, knows when it is over. */
  foreign: boolean
  /** A TLS handshake is under way on it. */
  raw: boolean
  /** What lingers for its request. */
  timer?: NodeJS.Timeout
}

type Emit = (event: string, ...args: unknown[]) => boolean

const addressOf = ({ remoteAddress, remotePort }: Socket): string =>
  `${remoteAddress ?? ''} ${remotePort ?? 0}`

/** The connections of one server: known from the first on, and ended one by one without losing a request. */
export class Connections {
  readonly #server: ServiceServer
  readonly #linger: number
  readonly #kind: 'http' | 'https' | 'net'
  readonly #emit: Emit
  readonly #all = new Map<Socket, Connection>()
  readonly #sessions = new Set<Http2Session>()
  #ended: (() => void) | undefined
  #closed = false

  /**
   * @param server not listening yet; what it emits passes through here from now on
   * @param linger ms that an idle connection stays open in a drain
   */
  constructor(server: ServiceServer, linger: number) {
    this.#server = server
    this.#linger = linger
    this.#kind = server instanceof https.Server ? 'https' : server instanceof http.Server ? 'http' : 'net'
    this.#emit = server.emit.bind(server) as Emit
    // Not listeners: one for 'upgrade' would change what an HTTP server does, and none could keep a request back.
    server.emit = ((event, ...args) => this.#see(event, args)) satisfies Emit
  }

  /** How many there are. */
  get size(): number {
    return this.#all.size
  }

  /**
   * Accepts no more connections, answers what comes on those that are there with Connection: close, and closes each
   * when it is idle for `linger`.
   * @returns when none is left
   */
  async drain(): Promise<void> {
    const ended = new Promise<void>((resolve) => (this.#ended = resolve))
    for (const connection of this.#all.values()) this.#dismiss(connection)
    for (const session of this.#sessions) session.close()
    // Right after the loop has looked for connections: of a socket that nobody else has, those that wait are reset.
    // Not http's own close(), which closes idle connections without lingering.
    setImmediate(() => {
      net.Server.prototype.close.call(this.#server)
      this.#closed = true
      this.#settle()
    })
    await ended
  }

  /** Cuts those that are left; returns how many. */
  cut(): number {
    const { size } = this.#all
    for (const socket of this.#all.keys()) socket.destroy()
    return size
  }

  #see(event: string, args: unknown[]): boolean {
    switch (event) {
      case 'connection':
        this.#add(args[0] as Socket, this.#kind === 'https')
        break
      case 'secureConnection':
        this.#secure(args[0] as Socket)
        break
      case 'session':
        this.#join(args[0] as Http2Session)
        break
      case 'request':
      case 'checkContinue':
      case 'checkExpectation':
        return this.#request(event, args as [IncomingMessage, ServerResponse])
      case 'upgrade':
      case 'connect': {
        const connection = this.#all.get((args[0] as IncomingMessage).socket)
        if (connection) connection.foreign = true
      }
    }
    return this.#emit(event, ...args)
  }

  #add(socket: Socket, raw: boolean): void {
    const connection: Connection = { socket, leaving: false, foreign: this.#kind === 'net', raw }
    this.#all.set(socket, connection)
    socket.once('close', () => {
      clearTimeout(connection.timer)
      this.#all.delete(socket)
      this.#settle()
    })
    if (this.#ended) this.#dismiss(connection)
  }

  // HTTP/2 has a word of its own for it: its client is told what was taken last, and that is finished (RFC 9113 §6.8).
  #join(session: Http2Session): void {
    this.#sessions.add(session)
    session.once('close', () => this.#sessions.delete(session))
    if (this.#ended) session.close()
  }

  // The handshake is over: the socket beneath, which cannot tell when it is idle, is closed with this one.
  #secure(socket: Socket): void {
    if (this.#kind !== 'https') return
    const address = addressOf(socket)
    for (const { socket: beneath, raw, timer } of this.#all.values()) {
      if (!raw || addressOf(beneath) !== address) continue
      clearTimeout(timer)
      this.#all.delete(beneath)
    }
    this.#add(socket, false)
  }

  #request(event: string, [req, res]: [IncomingMessage, ServerResponse]): boolean {
    const connection = this.#all.get(req.socket)
    if (connection?.leaving === true) return true
    if (connection) connection.latest = res
    if (!this.#ended || !connection) return this.#emit(event, req, res)
    this.#answer(connection, res)
    // Not at once: first all that came in the same piece are read, since the last of them is the one to say close.
    queueMicrotask(() => this.#emit(event, req, res))
    return true
  }

  /** Has an answer end its connection, if no other request comes before its head is written. */
  #answer(connection: Connection, res: ServerResponse): void {
    const last = (): boolean => connection.latest === res
    if (!res.headersSent) closeWith(res, last, () => (connection.leaving = true))
    // Its head was out before: nothing told the client that it ends, so that another request may come.
    res.once('close', () => {
      if (last()) this.#waitFor(connection)
    })
  }

  #dismiss(connection: Connection): void {
    const { socket, latest, foreign } = connection
    if (foreign) return
    // What http calls once an answer that said close is out.
    socket.destroySoon = () => this.#leave(connection)
    if (latest && isGoingOn(latest)) this.#answer(connection, latest)
    else this.#waitFor(connection)
  }

  /** Closes an idle connection when nothing has come on it for a while. */
  #waitFor(connection: Connection): void {
    if (connection.leaving || connection.foreign) return
    const { socket } = connection
    const { bytesRead } = socket
    const look = (): void => {
      const { latest, leaving, foreign } = connection
      if (leaving || foreign || (latest && isGoingOn(latest))) return
      const begun = latest === undefined && this.#kind === 'http' && socket.bytesRead > 0
      if (begun || socket.bytesRead !== bytesRead) this.#waitFor(connection)
      else if (connection.raw) socket.destroy()
      else this.#leave(connection)
    }
    clearTimeout(connection.timer)
    // Once more through the loop: a request that has arrived by now is read first.
    connection.timer = setTimeout(() => setImmediate(look), this.#linger).unref()
  }

  #leave(connection: Connection): void {
    connection.leaving = true
    clearTimeout(connection.timer)
    sayFarewell(connection.socket, this.#linger)
  }

  #settle(): void {
    if (this.#closed && this.#all.size === 0) this.#ended?.()
  }
}

const isGoingOn = (res: ServerResponse): boolean => !res.writableFinished && !res.destroyed
