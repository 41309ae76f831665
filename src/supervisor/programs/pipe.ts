import { constants, openSync, closeSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { explain } from '../../errors.ts'

/**
 * Opens a named pipe for reading, without an end: it is held open for writing too, so whoever writes may come and go.
 * @returns a socket, to be destroyed
 */
export function openPipe(path: string): Socket {
  try {
    const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
    return new Socket({ fd, readable: true, writable: false })
  } catch (error) {
    throw explain(error, `cannot read ${path}`, true)
  }
}

/** Writes a short line into a named pipe, at once or not at all; false when nobody reads there. */
export function tell(path: string, line: string): boolean {
  let fd: number | undefined
  try {
    fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
    // Up to PIPE_BUF (512 at least) it is one piece, whoever else writes.
    return writeSync(fd, `${line}\n`) > 0
  } catch {
    return false
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
