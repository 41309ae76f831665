import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import type { Client, Dispatcher } from 'undici'
import { errnoOf } from '../errors.ts'
import { Answer } from './answer.ts'
import { answerHead, HeaderError, readTarget, requestHead } from './headers.ts'
import type { TakeOver } from './lane.ts'
import type { Line, OnLine } from './line.ts'
import { replay } from './replay.ts'
import type { Traffic, Waiting } from './traffic.ts'
import type { Offer } from './tunnel.ts'
import type { Upstream, UnderWay } from './upstream.ts'
import type { Wire } from './wire.ts'

// May be sent once more when nobody knows what became of it (RFC 9110 §9.2.2).
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])
const mostSent = 2

type Controller = Dispatcher.DispatchController

/** One request with its answer: waits for a program, is sent there, once more if need be, and passes on what comes back. */
export class Exchange implements Dispatcher.DispatchHandler, OnLine, UnderWay, Waiting {
  refusedBy: Upstream | undefined
  place = -1
  readonly #traffic: Traffic
  readonly #line: Line
  readonly #req: IncomingMessage
  readonly #answer: Answer
  readonly #takeOver: TakeOver | undefined
  readonly #offer: Offer | undefined
  #options: Dispatcher.DispatchOptions | undefined
  #hasBody = false
  #expects = false
  #upstream: Upstream | undefined
  #client: Client | undefined
  #over: Client | undefined
  #controller: Controller | undefined
  #sent = 0
  #responding = false
  #breakTunnel: (() => void) | undefined
  #done = false

  /**
   * @param takeOver what goes on with it, where it has taken another way so far
   * @param offer where the request offers to speak another protocol, and `res` belongs to it
   */
  constructor(
    traffic: Traffic,
    line: Line,
    req: IncomingMessage,
    res: ServerResponse,
    takeOver?: TakeOver,
    offer?: Offer,
  ) {
    this.#traffic = traffic
    this.#line = line
    this.#req = req
    this.#answer = new Answer(req, res, traffic)
    this.#takeOver = takeOver
    this.#offer = offer
    traffic.begin()
  }

  // ---- of the client's connection

  start(): void {
    try {
      this.#options = this.#read()
    } catch (error) {
      if (!(error instanceof HeaderError)) throw error
      this.#answer.refuse(error.status, error.message, true)
      this.#end()
      return
    }
    if (this.#takeOver) this.#takeOver(this)
    else this.#traffic.route(this)
  }

  abandon(): void {
    if (this.#done || this.#breakTunnel) return // a tunnel ends with both its ends
    this.#traffic.forget(this)
    this.#end()
    this.#controller?.abort(new Error('the client has gone'))
  }

  // ---- of the traffic

  send(upstream: Upstream): void {
    this.refusedBy = undefined
    this.#controller = undefined
    this.#upstream = upstream
    upstream.enter(this)
    const client = (this.#client = upstream.take())
    const options = this.#options
    if (!options) throw new Error('nothing to send')
    if (this.#hasBody) options.body = this.#body() as unknown as Readable // any iterable will do
    client.dispatch(options, this)
  }

  /** It was sent in vain already, and may be sent once more. */
  repeat(): void {
    this.#sent = 1
    this.#traffic.counts.retried++
    this.#traffic.route(this)
  }

  /** It was sent already: reads the answer. */
  receive(upstream: Upstream, wire: Wire, first: Buffer): void {
    this.#responding = true
    this.#upstream = upstream
    upstream.enter(this)
    this.#over = upstream.over(replay(wire, first))
    if (this.#options) this.#over.dispatch(this.#options, this)
  }

  refuse(status: 502 | 503, reason: string): void {
    if (this.#done) return
    this.#traffic.counts.lost++
    this.#answer.refuse(status, reason, this.#expects)
    this.#end()
  }

  // ---- of the program

  cut(): void {
    if (this.#done) return
    this.#traffic.counts.cut++
    if (this.#breakTunnel) this.#breakTunnel()
    else this.#answer.breakOff(503, 'the program is ending, and this took longer than it has time for')
    this.#end()
    this.#controller?.abort(new Error('cut'))
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#done) controller.abort(new Error('the client has gone'))
    else this.#sent++
  }

  onResponseStarted(): void {
    this.#responding = true
  }

  onResponseStart(controller: Controller, status: number, _: unknown, message?: string): void {
    if (this.#done) return
    const simple = this.#answer.head(controller, status, message ?? '')
    if (status >= 200) this.#upstream?.learn(simple)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (!this.#done) this.#answer.data(controller, chunk)
  }

  onResponseEnd(controller: Controller): void {
    this.#release()
    if (this.#done) return
    this.#answer.end(controller)
    this.#end()
  }

  onRequestUpgrade(controller: Controller, status: number, _: unknown, program: Duplex): void {
    this.#release()
    if (this.#done || !this.#offer) {
      program.destroy()
      return
    }
    this.#controller = undefined
    const { headers } = answerHead(controller.rawHeaders as Buffer[])
    this.#breakTunnel = this.#offer.take(status, headers, program, () => this.#end())
  }

  onResponseError(_: Controller | null, error: Error): void {
    this.#release()
    if (this.#done) return
    if (this.#answer.begun) {
      this.#traffic.counts.lost++
      this.#answer.breakOff(502, '')
      this.#end()
      return
    }
    this.#again(error)
  }

  #again(error: Error): void {
    const { code = '' } = error as { code?: string }
    const wasSent = this.#controller !== undefined || this.#responding
    const failed = this.#upstream
    failed?.leave(this)
    if (error instanceof HeaderError) this.refuse(502, error.message)
    else if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
      this.#answer.refuse(400, `this cannot be passed on: ${error.message}`)
      this.#end()
    } else if (!wasSent) {
      // Closed by us rather than refused by the program: there is another to go to, or will be.
      if (!code.startsWith('UND_ERR_DESTROYED') && !code.startsWith('UND_ERR_CLOSED')) this.refusedBy = failed
      this.#traffic.route(this)
    } else if (this.#mayRepeat()) {
      this.#traffic.counts.retried++
      this.#traffic.route(this)
    } else this.refuse(502, `the program gave no whole answer: ${errnoOf(error) ?? error.message}`)
  }

  #mayRepeat(): boolean {
    const { method = '' } = this.#req
    return !this.#responding && !this.#hasBody && this.#sent < mostSent && idempotent.has(method)
  }

  #release(): void {
    void this.#over?.destroy()
    this.#over = undefined
    const client = this.#client
    if (!client) return
    this.#client = undefined
    this.#upstream?.give(client)
  }

  #end(): void {
    if (this.#done) return
    this.#done = true
    this.#upstream?.leave(this)
    this.#traffic.finish()
    this.#line.end(this)
  }

  #read(): Dispatcher.DispatchOptions {
    const { method = '', url = '', rawHeaders } = this.#req
    const target = url.startsWith('/') ? undefined : readTarget(url)
    const {
      headers: passed,
      hasBody,
      expectsContinue,
    } = requestHead(rawHeaders, this.#line.peer, target?.host)
    this.#hasBody = hasBody
    this.#expects = expectsContinue
    return {
      path: target?.path ?? url,
      method,
      headers: passed,
      ...(method === 'HEAD' && { reset: false }), // of itself undici takes a new connection after each
      ...(this.#offer && { upgrade: this.#offer.protocol }),
    }
  }

  // Not read before the program is there to take it.
  async *#body(): AsyncGenerator<Buffer> {
    if (this.#expects) this.#answer.proceed()
    this.#expects = false
    yield* this.#req.iterator({ destroyOnReturn: false })
  }
}
