import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'

/**
 * A connection on which the request has been sent already, for a client that is to read the answer: what it writes goes
 * nowhere, what it reads is what has come so far and what comes from now on.
 * @param first what has come so far
 */
export function replay(socket: Socket, first: Buffer): Duplex {
  socket.removeAllListeners('data').removeAllListeners('close').pause()
  let begun = false
  const duplex = new Duplex({
    allowHalfOpen: false,
    read: () => void socket.resume(),
    write: (_chunk, _encoding, done) => {
      if (!begun) begin()
      done()
    },
    destroy: (error, done) => {
      socket.destroy()
      done(error)
    },
  })
  // Not before the client has asked: an answer that nobody waits for is an error.
  const begin = (): void => {
    begun = true
    duplex.push(first)
    socket.on('data', (chunk: Buffer) => {
      if (!duplex.push(chunk)) socket.pause()
    })
    socket.on('end', () => duplex.push(null))
    socket.on('close', () => duplex.destroy())
    if (socket.destroyed) duplex.push(null)
  }
  return duplex
}
