import { createConnection, type Socket } from 'node:net'
import { once } from 'node:events'
import { GupperError, errnoOf } from '../errors.ts'
import { readLines } from '../package/ndjson.ts'
import type { ControlRequest } from './control.ts'
import type { ServiceHome } from './home.ts'

/**
 * Asks the supervisor of a service.
 * @param patience ms to wait until it is heard; what is to be worked at may take as long as it wants then
 * @returns the records of its answer, failures among them, as they come
 * @throws GupperError `not-running` (69) when nobody supervises it; `denied` (69) when it is another user's;
 * `unreachable` (69) when a supervisor does not hear; `protocol` (76) when the answer breaks off
 */
export async function* ask(
  home: ServiceHome,
  request: ControlRequest,
  signal: AbortSignal,
  patience = 10_000,
): AsyncGenerator<Record<string, unknown>> {
  const socket = createConnection(home.control)
  const stop = (): void => void socket.destroy()
  const late = new GupperError('unreachable', `the supervisor of ${home.name} does not answer`, {
    hint: `it may be stopped or stuck; look at its process: ps -o pid,stat,args -C node, and at: gupper logs ${home.name}`,
  })
  socket.setTimeout(patience, () => socket.destroy(late))
  signal.addEventListener('abort', stop, { once: true })
  try {
    try {
      await once(socket, 'connect', { signal })
    } catch (error) {
      signal.throwIfAborted()
      throw error === late ? late : explainConnect(error, home)
    }
    socket.write(`${JSON.stringify(request)}\n`)
    let lines = 0
    for await (const { text } of readLines(heard(socket))) {
      lines++
      if (text !== undefined) yield JSON.parse(text) as Record<string, unknown>
    }
    signal.throwIfAborted()
    if (lines === 0 && !mayBeEmpty.has(request.verb))
      throw new GupperError('not-running', `the supervisor of ${home.name} ended before it answered`, {
        hint: `look at: gupper status ${home.name}`,
      })
  } finally {
    signal.removeEventListener('abort', stop)
    socket.destroy()
  }
}

const mayBeEmpty = new Set<ControlRequest['verb']>(['check', 'history'])

async function* heard(socket: Socket): AsyncGenerator<Buffer> {
  for await (const chunk of socket) {
    socket.setTimeout(0)
    yield chunk as Buffer
  }
}

function explainConnect(error: unknown, { name, control }: ServiceHome): GupperError {
  const errno = errnoOf(error)
  if (errno === 'EACCES' || errno === 'EPERM')
    return new GupperError('denied', `${control} belongs to another user`, {
      hint: 'run it as the user of the service',
    })
  return new GupperError('not-running', `${name} is not running here`, {
    hint: `start it with: gupper run --name ${name} --to PATH -- CMD`,
    cause: error,
  })
}
