import { once } from 'node:events'
import { constants, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { explaining } from '../errors.ts'
import { makePipes } from '../store/named-pipe.ts'
import type { Check, PreparedCheck } from './check.ts'
import { Word } from './word.ts'

/**
 * `fd` and `fd:N`: the program writes a newline to an inherited file descriptor (s6's notification protocol,
 * https://skarnet.org/software/s6/notifywhenup.html), which GUPPER_READY_FD tells it. Closed without one, by whoever
 * holds it last, it is a failure at once.
 * @param fd from 3 to 9
 */
export function checkFd(text: string, fd: number): Check {
  return { text, ambiguous: false, prepare: (directory) => prepareFd(directory, fd) }
}

async function prepareFd(directory: string, fd: number): Promise<PreparedCheck> {
  const path = join(directory, 'ready')
  await makePipes(path)
  const word = new Word(`it has written no line to file descriptor ${fd} yet`)
  const pipe = await explaining(`cannot read ${path}`, () => Promise.resolve(openPipe(path)), true)
  // Linux tells of an end only once somebody had it open for writing: until then this waits.
  pipe.on('data', (chunk: Buffer) => {
    if (chunk.includes('\n')) word.ready()
  })
  pipe.on('end', () => word.fail(`it closed file descriptor ${fd} without a line that says that it is ready`))
  pipe.on('error', (error) => word.fail(`file descriptor ${fd}: ${error.message}`))
  return {
    inherit: { env: { GUPPER_READY_FD: String(fd) }, fds: { [fd]: path } },
    wait: async (candidate, signal) => word.wait(candidate, signal),
    again: () => Promise.resolve(undefined),
    async close() {
      if (pipe.closed) return
      pipe.destroy()
      await once(pipe, 'close')
    },
  }
}

const openPipe = (path: string): Socket =>
  new Socket({
    fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
    readable: true,
    writable: false,
  })
