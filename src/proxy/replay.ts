import { Duplex } from 'node:stream'
import type { Wire } from './wire.ts'

/**
 * A connection on which the request has been sent already, for a client that is to read the answer: what it writes goes
 * nowhere, what it reads is what has come so far and what comes from now on.
 * @param first what has come so far
 */
export function replay(wire: Wire, first: Buffer): Duplex {
  let begun = false
  let ended = false
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => {
      if (begun) wire.socket.resume()
    },
    write: (_chunk, _encoding, done) => {
      // Not before the client has asked: an answer that nobody waits for is an error.
      if (!begun) {
        begun = true
        duplex.push(first)
        if (ended) duplex.push(null)
        else wire.socket.resume()
      }
      done()
    },
    destroy: (error, done) => {
      wire.destroy()
      done(error)
    },
  })
  wire.socket.pause()
  wire.use({
    onBytes: (chunk) => {
      if (!duplex.push(chunk)) wire.socket.pause()
      return true
    },
    onClosed: () => {
      ended = true
      if (begun) duplex.push(null)
    },
  })
  return duplex
}
