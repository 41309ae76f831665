import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const nothing = (): void => undefined

/**
 * Says Connection: close in an answer whose head has not been written yet, whatever its handler says of it, if at that
 * moment `last` still holds: more requests may have come on the connection (pipelining, RFC 9112 §9.3.2).
 * @param said is called when it was said
 */
export function closeWith(res: ServerResponse, last: () => boolean, said: () => void): void {
  const writeHead = res.writeHead.bind(res) as (...args: unknown[]) => ServerResponse
  const closing = (...args: unknown[]): ServerResponse => {
    if (!last() || args[0] === 101 || res.headersSent) return writeHead(...args)
    res.setHeader('Connection', 'close')
    said()
    return writeHead(...args.map(withoutConnection))
  }
  res.writeHead = closing
}

/** The headers given to writeHead, without those on the connection: an object, a flat list, or a list of pairs. */
function withoutConnection(headers: unknown): unknown {
  const other = (name: unknown): boolean => String(name).toLowerCase() !== 'connection'
  if (Array.isArray(headers)) {
    const flat: unknown[] = headers.flat()
    return flat.filter((_, index) => other(flat[index - (index % 2)]))
  }
  if (typeof headers !== 'object' || headers === null) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => other(name)))
}

/**
 * Ends a connection so that its client reads all that was sent: what still comes is read and thrown away, since
 * closing with unread bytes resets the connection, and the answer with it (RFC 9112 §9.6).
 * @param linger ms that the client has to close it too
 */
export function sayFarewell(socket: Socket, linger: number): void {
  // A request that comes now is not processed. Taking the listener away also takes the socket from Node's parser.
  socket.removeAllListeners('data')
  socket.on('data', nothing)
  socket.resume()
  socket.end(() => void setTimeout(() => socket.destroy(), linger).unref())
}
