import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { answerHead, type RawHeaders } from './headers.ts'
import type { Traffic } from './traffic.ts'

type Controller = Dispatcher.DispatchController
type Raw = readonly (Buffer | string)[]

/** What a client gets. A small answer is kept until it is whole, and written at once. */
export class Answer {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #traffic: Traffic
  #status = 0
  #message = ''
  #headers: RawHeaders = []
  #first: Buffer | undefined
  #kept = false
  #ended = false
  #controller: Controller | undefined

  constructor(req: IncomingMessage, res: ServerResponse, traffic: Traffic) {
    this.#req = req
    this.#res = res
    this.#traffic = traffic
  }

  /** Whether the client has got anything of it. */
  get begun(): boolean {
    return this.#res.headersSent
  }

  /** "Go on and send the body." */
  proceed(): void {
    this.#res.writeContinue()
  }

  /** An answer of ours. */
  refuse(status: number, reason: string, close = false): void {
    const headers: RawHeaders = ['Content-Type', 'text/plain; charset=utf-8']
    const text = Buffer.from(`${reason}\n`)
    headers.push('Content-Length', String(text.length))
    if (status >= 500) headers.push('Retry-After', '1')
    if (close || this.#traffic.closing) headers.push('Connection', 'close')
    this.#kept = false
    this.#ended = true
    this.#res.writeHead(status, headers)
    this.#res.end(text)
    this.#req.resume()
  }

  /** Never lets what is not whole look whole: the connection is closed, or when nothing has gone out yet, it is said. */
  breakOff(status: number, reason: string): void {
    this.#ended = true
    if (this.begun) this.#res.destroy()
    else this.refuse(status, reason, true)
  }

  /** The program's status and headers; below 200 more are to come. @returns whether it is a simple answer */
  head(controller: Controller, status: number, message: string): boolean {
    const { headers, length, trailer } = answerHead(controller.rawHeaders as Raw)
    const modern = this.#req.httpVersion !== '1.0'
    if (status < 200) {
      if (modern) inform(this.#res, status, headers)
      return false
    }
    if (
      trailer !== '' &&
      modern &&
      length === undefined &&
      this.#req.method !== 'HEAD' &&
      status !== 204 &&
      status !== 304
    )
      headers.push('Trailer', trailer)
    this.#status = status
    this.#message = message
    this.#headers = headers
    this.#controller = controller
    this.#kept = true
    // What comes with the head is read before this runs; what has not come by then may take its time.
    void Promise.resolve(this).then(flush)
    return length !== undefined || status === 204 || status === 304
  }

  /** A part of the body. */
  data(controller: Controller, chunk: Buffer): void {
    if (this.#kept && this.#first === undefined) {
      this.#first = chunk
      return
    }
    this.flush()
    if (!this.#res.write(chunk)) this.#wait(controller)
  }

  /** That was all of it. */
  end(controller: Controller): void {
    this.#ended = true
    if (this.#kept) this.#writeHead()
    const trailers = controller.rawTrailers as Raw | null | undefined
    if (trailers && trailers.length > 0) this.#res.addTrailers(pairsOf(trailers))
    if (this.#first === undefined) this.#res.end()
    else this.#res.end(this.#first)
    if (!this.#req.complete) this.#req.resume()
    // The client was promised a connection that is kept, before we knew.
    if (this.#traffic.closing && this.#res.shouldKeepAlive) this.#closeAfter()
  }

  /** Writes what is kept. */
  flush(): void {
    if (!this.#kept || this.#ended) return
    this.#writeHead()
    const first = this.#first
    this.#first = undefined
    if (first === undefined) this.#res.flushHeaders()
    else if (!this.#res.write(first) && this.#controller) this.#wait(this.#controller)
  }

  #writeHead(): void {
    this.#kept = false
    if (this.#traffic.closing) this.#headers.push('Connection', 'close')
    if (this.#message === '') this.#res.writeHead(this.#status, this.#headers)
    else this.#res.writeHead(this.#status, this.#message, this.#headers)
  }

  #closeAfter(): void {
    const { socket } = this.#req
    if (this.#res.writableFinished) socket.destroySoon()
    else this.#res.once('finish', () => socket.destroySoon())
  }

  #wait(controller: Controller): void {
    controller.pause()
    this.#res.once('drain', () => controller.resume())
  }
}

// Node has a way for any status since 26.2.
function inform(res: ServerResponse, status: number, headers: RawHeaders): void {
  if ('writeInformation' in res) res.writeInformation(status, headers)
  else if (status === 103) {
    const link = headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === 'link')
    ;(res as ServerResponse).writeEarlyHints({ link })
  }
}

const flush = (answer: Answer): void => answer.flush()

function pairsOf(raw: Raw): [string, string][] {
  const pairs: [string, string][] = []
  for (let i = 0; i < raw.length; i += 2) pairs.push([String(raw[i]), String(raw[i + 1])])
  return pairs
}
