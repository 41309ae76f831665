import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline, type Duplex } from 'node:stream'
import type { RawHeaders } from './headers.ts'

/** A client's offer to speak another protocol, such as that of websockets, from here on. */
export class Offer {
  /** Where an answer of another kind goes. The connection ends with it: Node does not read requests from it any more. */
  readonly res: ServerResponse
  readonly #protocol: string
  readonly #socket: Socket
  // While nothing is read, nobody notices that the client has gone.
  readonly #look = (): void => {
    if (this.#socket.readableLength === 0) this.#socket.read()
  }
  readonly #leave = (): void => {
    this.#socket.destroy()
  }

  /**
   * @param head what the client sent behind its request
   */
  constructor(req: IncomingMessage, socket: Socket, head: Buffer) {
    this.#socket = socket
    this.#protocol = req.headers.upgrade ?? ''
    this.res = new ServerResponse(req)
    this.res.shouldKeepAlive = false
    this.res.assignSocket(socket)
    this.res.once('finish', () => {
      this.res.detachSocket(socket)
      socket.destroySoon()
    })
    if (head.length > 0) socket.unshift(head)
    socket.on('readable', this.#look).once('end', this.#leave)
  }

  /** Which protocol it is. */
  get protocol(): string {
    return this.#protocol
  }

  /**
   * It is taken: bytes go both ways as they are, until both sides have ended or one has broken off.
   * @param end called once, when neither side is open any more
   * @returns what breaks it off
   */
  take(status: number, headers: RawHeaders, program: Duplex, end: () => void): () => void {
    const client = this.#socket
    this.res.detachSocket(client)
    client.off('readable', this.#look).off('end', this.#leave)
    let head = `HTTP/1.1 ${status} Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${this.#protocol}\r\n`
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ''}: ${headers[i + 1] ?? ''}\r\n`
    client.write(`${head}\r\n`, 'latin1')
    return join(client, program, end)
  }
}

function join(client: Duplex, program: Duplex, end: () => void): () => void {
  let open = 2
  const breakOff = (): void => {
    client.destroy()
    program.destroy()
  }
  const finish = (error?: Error | null): void => {
    if (error) breakOff()
    if (--open === 0) end()
  }
  pipeline(client, program, finish)
  pipeline(program, client, finish)
  return breakOff
}

// h2c is offered with ordinary requests too, also with bodies; it is not spoken here, and need not be.
const unspoken = /(?:^|,)\s*(?:h2c|http|tls)/i

/** Whether a request's offer may be passed on: websockets, and what else begins with a GET. */
export function mayUpgrade(req: IncomingMessage): boolean {
  return req.method === 'GET' && !unspoken.test(req.headers.upgrade ?? '')
}
