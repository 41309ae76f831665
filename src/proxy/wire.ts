import { connect, type Socket } from 'node:net'
import type { Backend } from './proxy.ts'

/** Who has sent a request on a wire, and waits for the answer. */
export interface WireUser {
  /** Bytes have come, in memory that is only theirs until this returns. @returns whether they are still needed then */
  onBytes(chunk: Buffer): boolean
  /** The wire is no more. @param sent whether the request can have got to the program */
  onClosed(sent: boolean): void
}

const freshFor = 4000 // ms; programs close a connection on which nothing comes after five seconds or more
const room = 16 << 10 // bytes that are read at a time

/** A connection to a program that carries bytes as they are, for one request at a time. */
export class Wire {
  readonly socket: Socket
  #user: WireUser | undefined
  #connected = false
  // Memory for every read anew would cost more than the read.
  #memory = Buffer.allocUnsafeSlow(room)

  /**
   * @param onClose told when it is no more
   */
  constructor({ host, port }: Backend, onConnect: () => void, onClose: (wire: Wire) => void) {
    const onread = { buffer: () => this.#memory, callback: (size: number) => this.#read(size) }
    this.socket = connect({ host, port, noDelay: true, onread })
    this.socket.on('connect', () => {
      this.#connected = true
      onConnect()
    })
    this.socket.setTimeout(freshFor, () => {
      if (!this.#user) this.socket.destroy()
    })
    this.socket.on('error', () => undefined) // 'close' follows
    this.socket.on('close', () => {
      const user = this.#user
      this.#user = undefined
      onClose(this)
      user?.onClosed(this.#connected)
    })
  }

  /** Sends a request. */
  send(user: WireUser, text: string): void {
    this.#user = user
    this.socket.write(text, 'latin1')
  }

  /** From now on it is somebody else who waits. */
  use(user: WireUser): void {
    this.#user = user
  }

  /** Nobody waits for anything on it any more. */
  free(): void {
    this.#user = undefined
  }

  /** Ends it; its user is not told. */
  destroy(): void {
    this.#user = undefined
    this.socket.destroy()
  }

  #read(size: number): boolean {
    if (!this.#user)
      this.socket.destroy() // nobody has asked
    else if (this.#user.onBytes(this.#memory.subarray(0, size))) this.#memory = Buffer.allocUnsafeSlow(room)
    return true
  }
}
