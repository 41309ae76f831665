import type { FileHandle } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** A part of an answer's body: bytes that are at hand, or a stretch of the file. */
export type Piece = Buffer | { start: number; length: number }

const large = 512 << 10
const small = 64 << 10
const most = 32 // large buffers at most; what more downloads need at once is small
const spare: Buffer[] = []
let lent = 0

/** Why a body was cut off in the middle, so that no client takes it for whole. */
export class CutOff extends Error {
  override readonly name = 'CutOff'
}

/** How a body is sent. */
export interface Transfer {
  /** Open for reading. */
  file: FileHandle
  /** Its head is written; it is not ended here. */
  res: ServerResponse
  socket: Socket
  /** Asked before the last bytes of the file go out: is it still the file whose digest was announced? */
  unchanged: () => Promise<boolean>
  /** Told how many bytes went out, as they do. */
  sent: (bytes: number) => void
}

/**
 * Sends the pieces of a body, reading the next stretch of the file while the one before is on its way, and never
 * further ahead than that.
 * @throws CutOff when the client has gone, or the file has changed or ended early
 */
export async function sendPieces(pieces: readonly Piece[], transfer: Transfer): Promise<void> {
  const { file, unchanged, sent } = transfer
  const size = lent + 2 <= most ? large : small
  const buffers = [borrow(size), borrow(size)] as const
  const writes: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()]
  const writer = new Writer(transfer.res, transfer.socket)
  let left = pieces.reduce((sum, piece) => sum + (Buffer.isBuffer(piece) ? 0 : piece.length), 0)
  let turn: 0 | 1 = 0
  let done = false
  try {
    for (const piece of split(pieces, size)) {
      turn = turn === 0 ? 1 : 0
      await writes[turn] // its buffer is free again
      const inMemory = Buffer.isBuffer(piece)
      const bytes = inMemory ? piece : await fill(file, buffers[turn], piece)
      if (!inMemory) left -= bytes.length
      if (!inMemory && left === 0 && !(await unchanged()))
        throw new CutOff('the file was changed while it was sent')
      writes[turn] = writer.send(bytes).then(() => sent(bytes.length))
      writes[turn].catch(() => undefined) // it is looked at when its turn comes again
    }
    await Promise.all(writes)
    done = true
  } finally {
    writer.end()
    // After a failure the connection may still hold on to them.
    for (const buffer of buffers) giveBack(buffer, done)
  }
}

function* split(pieces: readonly Piece[], size: number): Generator<Piece, undefined> {
  for (const piece of pieces) {
    if (Buffer.isBuffer(piece)) yield piece
    else
      for (let done = 0; done < piece.length; done += size)
        yield { start: piece.start + done, length: Math.min(size, piece.length - done) }
  }
  return undefined
}

async function fill(
  file: FileHandle,
  buffer: Buffer,
  { start, length }: { start: number; length: number },
): Promise<Buffer> {
  for (let have = 0; have < length;) {
    const { bytesRead } = await file.read(buffer, have, length - have, start + have)
    if (bytesRead === 0) throw new CutOff('the file ended early')
    have += bytesRead
  }
  return buffer.subarray(0, length)
}

function borrow(size: number): Buffer {
  if (size === small) return Buffer.allocUnsafeSlow(small)
  lent++
  return spare.pop() ?? Buffer.allocUnsafeSlow(large)
}

function giveBack(buffer: Buffer, free: boolean): void {
  if (buffer.length === small) return
  lent--
  if (free && spare.length < 4) spare.push(buffer)
}

/** Writes to an answer; each write is done when the kernel has taken it. */
class Writer {
  readonly #res: ServerResponse
  readonly #socket: Socket
  readonly #waiting = new Set<(reason: CutOff) => void>()
  readonly #gone = (): void => {
    for (const reject of this.#waiting) reject(new CutOff('the client has gone'))
    this.#waiting.clear()
  }

  constructor(res: ServerResponse, socket: Socket) {
    this.#res = res
    this.#socket = socket
    // Not the answer's own event: one that waits behind another on the same connection never gets it.
    socket.once('close', this.#gone)
  }

  send(chunk: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      if (this.#socket.destroyed) {
        this.#gone()
        return
      }
      this.#res.write(chunk, (error) => {
        this.#waiting.delete(reject)
        if (error) reject(new CutOff('the client has gone'))
        else resolve()
      })
    })
  }

  end(): void {
    this.#socket.off('close', this.#gone)
  }
}
