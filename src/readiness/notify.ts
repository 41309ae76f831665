import { join } from 'node:path'
import { GupperError } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import type { Check, PreparedCheck } from './check.ts'
import { receive, type Tool } from './receiver.ts'
import { Word } from './word.ts'

const longestPath = 107 // bytes: sun_path of unix(7)
const waiting = 'it has not sent READY=1 yet'

/**
 * `notify`: the program sends READY=1 to NOTIFY_SOCKET (sd_notify(3)). ERRNO= or STOPPING=1 before is a failure at once.
 * @param tools which programs may receive for us
 */
export function checkNotify(text: string, tools?: readonly Tool[]): Check {
  return {
    text,
    ambiguous: false,
    prepare: (directory, observer) => prepareNotify(directory, observer, tools),
  }
}

async function prepareNotify(
  directory: string,
  observer: Observer,
  tools: readonly Tool[] | undefined,
): Promise<PreparedCheck> {
  const path = join(directory, 'notify')
  if (Buffer.byteLength(path) > longestPath)
    throw new GupperError('config', `the path of the notify socket is too long: ${path}`, {
      hint: 'set XDG_STATE_HOME to a shorter path',
    })
  const word = new Word(waiting)
  const take = (line: string): void => {
    const [, name, value = ''] = /^([A-Z_]+)=(.*)$/.exec(line) ?? []
    if (name === 'READY' && value === '1') word.ready()
    else if (name === 'STOPPING' && value === '1') word.fail('it said STOPPING=1 before READY=1')
    else if (name === 'ERRNO') word.fail(`it failed with ERRNO=${value.slice(0, 20)}`)
    else if (name === 'STATUS') {
      word.reason = `${waiting}; its status: ${value.slice(0, 200)}`
      observer.debug('the program tells its status', { status: value })
    }
  }
  const receiver = await receive(path, take, tools)
  return {
    inherit: { env: { NOTIFY_SOCKET: path }, fds: {} },
    wait: async (candidate, signal) => word.wait(candidate, signal),
    again: () => Promise.resolve(undefined),
    close: async () => receiver.close(),
  }
}
