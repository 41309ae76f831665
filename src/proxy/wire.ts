import { connect, type Socket } from 'node:net'
import type { Backend } from './proxy.ts'

/** Who has sent a request on a wire, and waits for the answer. */
export interface WireUser {
  /** Bytes have come. */
  onBytes(chunk: Buffer): void
  /** The wire is no more. @param sent whether the request can have got to the program */
  onClosed(sent: boolean): void
}

/** A connection to a program that carries bytes as they are, for one request at a time. */
export class Wire {
  readonly socket: Socket
  /** When it was given back, ms. */
  since = 0
  #user: WireUser | undefined
  #connected = false

  /**
   * @param onClose told when it is no more
   */
  constructor({ host, port }: Backend, onConnect: () => void, onClose: (wire: Wire) => void) {
    this.socket = connect({ host, port, noDelay: true })
    this.socket.on('connect', () => {
      this.#connected = true
      onConnect()
    })
    this.socket.on('data', (chunk: Buffer) => {
      if (this.#user) this.#user.onBytes(chunk)
      else this.socket.destroy() // nobody has asked
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

  /** Nobody waits for anything on it any more. */
  free(): void {
    this.#user = undefined
  }

  /** Ends it; its user is not told. */
  destroy(): void {
    this.#user = undefined
    this.socket.destroy()
  }
}
