import type { Socket } from 'node:net'
import type { Exchange } from './exchange.ts'
import { isWhole, type KnownHeaders } from './known-headers.ts'
import type { Line, OnLine } from './line.ts'
import { readSimpleHead } from './simple-head.ts'
import type { Traffic } from './traffic.ts'
import type { UnderWay, Upstream } from './upstream.ts'
import type { Wire, WireUser } from './wire.ts'

type Feed = (chunk: Buffer) => void
/** What goes on with a request when node:http has read it after all. */
export type TakeOver = (exchange: Exchange) => void

const longest = 4096 // bytes of a request
const requestLine = /^GET \/[!-~]* HTTP\/1\.1$/

/**
 * Small answers to small questions: node:http and undici take several times as long to read and to write a message as its
 * bytes take to come and go. So the lane passes on the bytes themselves.
 *
 * It is only used where nothing can be mistaken: the chunk is byte for byte one GET without a body, whose headers
 * node:http has read before, the connection is between two messages, and nothing is under way on it. As soon as anything is
 * not as simple as that – there is no program, the wire breaks, the answer has no plain length – node:http reads the
 * request after all, and it takes the long way, with the answer as far as it has come.
 */
export class Lane implements OnLine, UnderWay, WireUser {
  /** The bytes of the request that node:http is reading right now, where its headers may be remembered. */
  raw: string | undefined
  /** What goes on with the request that node:http is reading right now. */
  takeOver: TakeOver | undefined
  place = -1
  readonly #traffic: Traffic
  readonly #known: KnownHeaders
  readonly #socket: Socket
  readonly #line: Line
  readonly #feed: Feed
  readonly #reader = (chunk: Buffer): void => this.#read(chunk)
  readonly #stash: Buffer[] = []
  #fresh = true
  #between = true // two messages: whatever was fed so far ended where a message ends
  #request: Buffer | undefined
  #upstream: Upstream | undefined
  #wire: Wire | undefined
  #pending: Buffer | undefined
  #left = -1 // bytes of the body that are still to come; -1: the head is

  private constructor(traffic: Traffic, known: KnownHeaders, socket: Socket, line: Line, feed: Feed) {
    this.#traffic = traffic
    this.#known = known
    this.#socket = socket
    this.#line = line
    this.#feed = feed
  }

  /** Puts the lane in front of node:http's own reader of a connection; undefined where that is not as expected. */
  static attach(traffic: Traffic, known: KnownHeaders, socket: Socket, line: Line): Lane | undefined {
    const [feed, ...others] = socket.listeners('data') as Feed[]
    if (!feed || others.length > 0 || line.peer.address === '') return undefined
    const lane = new Lane(traffic, known, socket, line, feed)
    socket.removeListener('data', feed)
    socket.on('data', lane.#reader)
    return lane
  }

  /** The connection is not one of HTTP any more. */
  detach(): void {
    this.#socket.off('data', this.#reader)
  }

  start(): void {
    // It is started before it is on the line: the line is empty.
  }

  /** The client has gone. */
  abandon(): void {
    this.#wire?.destroy()
    this.#leave()
    this.#traffic.finish()
  }

  cut(): void {
    this.#wire?.destroy()
    if (this.#left < 0) this.#giveUp((exchange) => exchange.cut())
    else {
      this.#traffic.counts.cut++
      this.#breakOff()
    }
  }

  onBytes(chunk: Buffer): boolean {
    if (this.#left >= 0) this.#pass(chunk)
    else this.#begin(this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk)
    // Not yet taken by the kernel, or kept for later.
    return this.#socket.writableLength > 0 || this.#pending !== undefined
  }

  onClosed(sent: boolean): void {
    if (this.#left >= 0) {
      this.#traffic.counts.lost++
      this.#breakOff()
    } else if (this.#pending)
      this.#giveUp((exchange) =>
        exchange.refuse(502, 'the program gave no whole answer: it closed the connection'),
      )
    else this.#giveUp((exchange) => (sent ? exchange.repeat() : this.#traffic.route(exchange)))
  }

  #read(chunk: Buffer): void {
    if (this.#request) {
      this.#stash.push(chunk)
      this.#socket.pause()
      return
    }
    const text = this.#between && chunk.length <= longest ? chunk.toString('latin1') : undefined
    if (text !== undefined && !this.#fresh && this.#send(text, chunk)) return
    this.#fresh = false
    this.#between = text !== undefined && isWhole(text)
    this.raw = this.#between ? text : undefined
    this.#feed(chunk)
    this.raw = undefined
  }

  #send(text: string, chunk: Buffer): boolean {
    const upstream = this.#traffic.upstream
    if (!upstream?.simple || this.#line.busy || this.#traffic.closing || !this.#socket.writable) return false
    const end = text.indexOf('\r\n')
    const known = this.#known.find(text.slice(end))
    const first = text.slice(0, end)
    if (!known || !requestLine.test(first)) return false
    this.#request = chunk
    this.#upstream = upstream
    this.#traffic.begin()
    this.#line.add(this)
    upstream.enter(this)
    this.#wire = upstream.takeWire()
    this.#wire.send(this, first + known.before + this.#line.peer.address + known.after)
    return true
  }

  #begin(bytes: Buffer): void {
    const head = readSimpleHead(bytes)
    if (head === 'more') {
      this.#pending = bytes
      return
    }
    const upstream = this.#upstream
    const wire = this.#wire
    if (!upstream || !wire) return
    upstream.learn(head !== undefined)
    if (!head) {
      this.#giveUp((exchange) => exchange.receive(upstream, wire, Buffer.from(bytes)))
      return
    }
    const { size, length, from, to } = head
    this.#left = length + size
    this.#pending = undefined
    if (to === 0) {
      this.#pass(bytes)
      return
    }
    // What is before the line that does not go to the client moves to where the line ends.
    this.#left -= to - from
    bytes.copyWithin(to - from, 0, from)
    this.#pass(bytes.subarray(to - from))
  }

  #pass(chunk: Buffer): void {
    const { length } = chunk
    const whole = length <= this.#left ? chunk : chunk.subarray(0, this.#left)
    this.#left -= whole.length
    const full = !this.#socket.write(whole)
    if (this.#left > 0) {
      if (full) this.#wait(this.#wire?.socket)
      return
    }
    // Who asks without reading has to wait.
    if (full) this.#wait(this.#socket)
    // More than was announced: nobody knows what it is.
    if (length > whole.length) this.#wire?.destroy()
    else if (this.#wire) this.#upstream?.giveWire(this.#wire)
    this.#leave()
    this.#traffic.finish()
    this.#readOn()
  }

  #wait(reading: Socket | undefined): void {
    if (!reading) return
    reading.pause()
    this.#socket.once('drain', () => reading.resume())
  }

  #breakOff(): void {
    this.#leave()
    this.#traffic.finish()
    this.#socket.destroy()
  }

  #leave(): void {
    this.#upstream?.leave(this)
    this.#upstream = undefined
    this.#wire = undefined
    this.#request = undefined
    this.#pending = undefined
    this.#left = -1
    this.#line.end(this)
  }

  // node:http reads the request after all.
  #giveUp(takeOver: TakeOver): void {
    const request = this.#request
    if (!request) return
    this.#leave()
    this.takeOver = takeOver
    this.#traffic.counts.requests--
    this.#feed(request)
    this.takeOver = undefined
    this.#traffic.finish()
    this.#readOn()
  }

  #readOn(): void {
    if (this.#stash.length === 0) return
    const stash = this.#stash.splice(0)
    this.#socket.resume()
    for (const chunk of stash) this.#read(chunk)
  }
}
