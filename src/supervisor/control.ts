import { chmod, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { GupperError, explain, explaining } from '../errors.ts'
import { readLines } from '../package/ndjson.ts'
import { toFailure, type Failure } from '../package/record.ts'
import { HandOverError } from './outcome.ts'

const longestRequest = 64 * 1024
const patience = 10_000 // ms for a request to come
const farewell = 1000 // ms to read an answer, when the service ends

/**
 * A request on the control socket: one line of JSON. Each line of the answer is a record or a failure; its end is the end. An empty
 * line says that the other side is there.
 */
export interface ControlRequest {
  verb: 'status' | 'history' | 'activate' | 'freeze' | 'unfreeze' | 'rollback' | 'restart' | 'check'
  /** The build that is to be made live. */
  digest?: string
  /** Where it was installed. */
  target?: string
  dryRun?: boolean
  version?: string
  count?: number
}

/** Answers a request, record by record; `gone` is aborted when whoever asked hangs up. */
export type Answer = (request: ControlRequest, gone: AbortSignal) => AsyncIterable<object>

/** The control socket of a service: a Unix socket that nobody but its user may open (0600, in a directory of 0700). */
export class Control {
  readonly #server: Server
  readonly #path: string
  readonly #sockets = new Set<Socket>()
  readonly #silent = new Set<Socket>()
  readonly #serving = new Set<Promise<void>>()

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /**
   * Opens the socket. The lock of the service is held, so one that is there was left by a supervisor that is gone.
   * @throws GupperError `cannot-write` (73)
   */
  static async open(path: string, answer: Answer): Promise<Control> {
    await explaining(`cannot open the control socket ${path}`, () => rm(path, { force: true }))
    // Whoever has said all and still listens gets an answer.
    const server = createServer({ allowHalfOpen: true })
    const control = new Control(server, path)
    server.on('connection', (socket) => {
      const serving = control.#serve(socket, answer).finally(() => control.#serving.delete(serving))
      control.#serving.add(serving)
    })
    try {
      server.listen(path)
      await once(server, 'listening')
      await chmod(path, 0o600)
    } catch (error) {
      throw explain(error, `cannot open the control socket ${path}`)
    }
    return control
  }

  /** Takes no more requests, and ends when those under way are answered. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#silent) socket.destroy()
    await Promise.all(this.#serving)
    const late = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy()
    }, farewell)
    await closed
    clearTimeout(late)
    // One that stays is found to be dead by whoever asks there.
    await rm(this.#path, { force: true }).catch(() => undefined)
  }

  async #serve(socket: Socket, answer: Answer): Promise<void> {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => this.#sockets.delete(socket))
    this.#silent.add(socket)
    const late = setTimeout(() => socket.destroy(), patience)
    let verb = 'run'
    const gone = new AbortController()
    // Listened for from the start: both may come together with the request.
    socket.once('close', () => gone.abort(new GupperError('no', 'whoever asked has hung up')))
    socket.once('end', () => probe(socket))
    let request: ControlRequest | undefined
    try {
      for await (const { text, complaint } of readLines(
        socket.iterator({ destroyOnReturn: false }),
        longestRequest,
      )) {
        clearTimeout(late)
        this.#silent.delete(socket)
        request = readRequest(text, complaint)
        break
      }
      if (request !== undefined) {
        verb = request.verb
        // Heard: what is to be worked at may take its time from here.
        socket.write('\n')
        // Only who reads learns that the other side has hung up. What else comes is dropped.
        socket.resume()
        for await (const item of answer(request, gone.signal)) socket.write(`${JSON.stringify(item)}\n`)
      }
    } catch (thrown) {
      // Whoever asked may have gone; what it asked for is done all the same.
      if (!socket.destroyed) socket.write(`${JSON.stringify(describeFailure(verb, thrown))}\n`)
    }
    clearTimeout(late)
    this.#silent.delete(socket)
    // What else comes is read and dropped: a socket with something unread in it would never close.
    socket.end().resume()
  }
}

/** Tells one that has hung up (it closes then) from one that has said all and still listens. */
function probe(socket: Socket): void {
  if (socket.writable) socket.write('\n')
}

/** What a hand-over came to goes with its failure: there is no record here that it could be in. */
function describeFailure(verb: string, thrown: unknown): Failure {
  const { error } = toFailure(verb, thrown)
  return { error: thrown instanceof HandOverError ? { ...error, activated: thrown.activated } : error }
}

function readRequest(text: string | undefined, complaint: string | undefined): ControlRequest {
  let value: unknown
  try {
    value = JSON.parse(text ?? '')
  } catch {
    throw new GupperError('protocol', complaint ?? 'a request is one line of JSON')
  }
  if (typeof value !== 'object' || value === null || !('verb' in value))
    throw new GupperError('protocol', 'a request has a verb')
  for (const [name, { holds, what }] of Object.entries(fields)) {
    const field: unknown = Reflect.get(value, name)
    if (field !== undefined && !holds(field))
      throw new GupperError('protocol', `a request's ${name} has to be ${what}`)
  }
  return value as ControlRequest
}

interface Kind {
  holds: (value: unknown) => boolean
  what: string
}

const text: Kind = { holds: (value) => typeof value === 'string', what: 'text' }
const fields: Record<keyof ControlRequest, Kind> = {
  verb: text,
  digest: text,
  target: text,
  version: text,
  dryRun: { holds: (value) => typeof value === 'boolean', what: 'true or false' },
  count: {
    holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
    what: 'a whole number, at least 0',
  },
}
