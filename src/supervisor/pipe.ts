import { execFile } from 'node:child_process'
import { constants, openSync, closeSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import { GupperError, errnoOf, explain } from '../errors.ts'

/**
 * Makes named pipes (mkfifo(1): Node has no call for it), for this user alone.
 * @throws GupperError `cannot-write` (73); `config` (78) where there is no mkfifo
 */
export async function makePipes(...paths: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('mkfifo', ['-m', '600', ...paths])
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new GupperError('config', 'there is no mkfifo in PATH', {
        hint: 'install coreutils',
        cause: error,
      })
    const why = (error as { stderr?: string }).stderr?.trim() ?? String(error)
    throw new GupperError(/No space/.test(why) ? 'no-space' : 'cannot-write', why, { cause: error })
  }
}

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
