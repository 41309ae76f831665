import { errnoOf, explain } from '../errors.ts'
import { silent, type Observer } from '../package/observer.ts'
import { makeDirectory } from '../store/durable.ts'
import { entryHead, entryTime, streams } from './entry.ts'
import { LogFiles } from './files.ts'
import { eachLine, WholeLines } from './lines.ts'
import type { LogLimits, LogLine, LogStream } from './log.ts'
import { Packer, type Block } from './packer.ts'

export const logLimits: LogLimits = { size: 10 * 2 ** 20, keep: 5 }

// Bytes that may wait for the disk before the reader is to pause, and the rest at which it goes on.
const highWater = 2 ** 19
const lowWater = highWater / 2
const smallest = 1024

// Bytes that are written without a loss before the next loss is told of again.
const toldAgain = 10 * 2 ** 20

/**
 * Opens a log for writing: one writer a directory, which the caller sees to.
 * @param directory is made when missing, 0700; its files, 0600: `current`, and the older ones `1`, `2`, …
 * @param limits files of at least 1 KiB, at least one
 * @throws GupperError `cannot-write`, `no-space` (73) when the directory cannot be made; trouble with the files is told to
 *   the observer, now and later, and costs bytes of the log, never the program its time
 */
export async function openLog(
  directory: string,
  limits: Partial<LogLimits> = {},
  observer: Observer = silent,
): Promise<LogWriter> {
  const { size, keep } = { ...logLimits, ...limits }
  const bounds = { size: Math.max(size, smallest), keep: Math.max(keep, 1) }
  try {
    await makeDirectory(directory, 0o700)
  } catch (error) {
    throw explain(error, `cannot write the log ${directory}`)
  }
  const files = new LogFiles(directory, bounds)
  const { used, open } = await files.open().catch(() => ({ used: 0, open: new Set<LogStream>() }))
  return new LogWriter(directory, files, new Packer(bounds.size, used, open), observer)
}

/** Keeps what a program writes. */
export class LogWriter {
  /** Bytes taken from the program. */
  bytes = 0
  /** Bytes of those that could not be kept. */
  dropped = 0
  readonly #directory: string
  readonly #files: LogFiles
  readonly #packer: Packer
  readonly #observer: Observer
  readonly #taps = new Set<(stream: LogStream, chunk: Buffer) => void>()
  readonly #drains = new Set<() => void>()
  #idle = Promise.resolve()
  #running = false
  #full = false
  #missing = 0
  #kept = Infinity
  #open: ReadonlySet<LogStream> = new Set()

  /** Use {@link openLog}. */
  constructor(directory: string, files: LogFiles, packer: Packer, observer: Observer) {
    this.#directory = directory
    this.#files = files
    this.#packer = packer
    this.#observer = observer
  }

  /**
   * Takes bytes as they come; they are copied before this returns.
   * @returns false when the caller should pause until `onDrain`; nothing is lost if it does not, but memory grows
   */
  write(stream: LogStream, chunk: Buffer): boolean {
    if (stream !== 'gupper') this.bytes += chunk.length
    // Before the packer: a listener that comes later is given what is held back of a line.
    for (const tap of this.#taps) tap(stream, chunk)
    this.#packer.add(stream, chunk)
    return this.#start()
  }

  /** A remark of the supervisor's own; each of its lines becomes a line. */
  say(line: string): void {
    this.write('gupper', Buffer.from(`${line}\n`))
  }

  /** The stream has ended, and with it a last line that has no line feed. */
  end(stream: LogStream): void {
    if (!this.#packer.isOpen(stream)) return
    for (const tap of this.#taps) tap(stream, Buffer.from('\n'))
    this.#packer.end(stream)
    this.#start()
  }

  /** Returns when all that was taken is in the files (or given up), unfinished lines as far as they have come. */
  async flush(): Promise<void> {
    this.#packer.release()
    do {
      this.#start()
      await this.#idle
    } while (this.#running)
    if (this.#missing > 0) await this.#put(undefined)
  }

  /** Flushes and lets go of the files. An unfinished line goes on with the next writer of the same log. */
  async close(): Promise<void> {
    await this.flush()
    await this.#files.close()
    this.#taps.clear()
    this.#drains.clear()
  }

  /** Calls when writing may go on after `write` returned false. @returns what ends that */
  onDrain(listener: () => void): () => void {
    this.#drains.add(listener)
    return () => this.#drains.delete(listener)
  }

  /** Hands over the bytes of the streams as they come, valid during the call only. @returns what ends that */
  tap(listener: (stream: LogStream, chunk: Buffer) => void): () => void {
    // Whoever comes in the middle of a line gets what is known of it.
    for (const stream of streams) {
      const held = this.#packer.held(stream)
      if (held.length > 0) listener(stream, held)
    }
    this.#taps.add(listener)
    return () => this.#taps.delete(listener)
  }

  /** Hands over line by line, as text; one longer than 64 KiB is cut to that. @returns what ends that */
  onLine(listener: (line: LogLine) => void): () => void {
    const whole = { stdout: new WholeLines(), stderr: new WholeLines(), gupper: new WholeLines() }
    return this.tap((stream, chunk) => {
      const lines = whole[stream].push(chunk)
      const time = new Date().toISOString()
      for (const line of eachLine(lines)) listener({ time, stream, line: line.toString() })
    })
  }

  #start(): boolean {
    if (!this.#running && this.#packer.queued > 0) {
      this.#running = true
      this.#idle = this.#run()
    }
    this.#full ||= this.#packer.queued > highWater
    return !this.#full
  }

  async #run(): Promise<void> {
    for (let block; (block = this.#packer.next());) {
      await this.#put(block)
      this.#packer.free(block)
      if (this.#full && this.#packer.queued <= lowWater) {
        this.#full = false
        for (const listener of this.#drains) listener()
      }
    }
    this.#running = false
  }

  // A block is written whole or dropped, and what was dropped is said before the next one.
  async #put(block: Block | undefined): Promise<void> {
    const entries = this.#gap()
    if (block) entries.push(block.bytes.subarray(0, block.length))
    try {
      await this.#append(entries, block?.rotate ?? false)
    } catch (error) {
      this.#lose(block?.raw ?? 0, error)
      return
    }
    if (block) this.#open = block.open
    this.#kept += block?.length ?? 0
    this.#missing = 0
  }

  async #append(entries: readonly Buffer[], rotate: boolean): Promise<void> {
    for (;;)
      try {
        await this.#files.append(entries, rotate)
        return
      } catch (error) {
        const full = ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')
        if (!full || !(await this.#files.removeOldest())) throw error
      }
  }

  #lose(bytes: number, error: unknown): void {
    this.dropped += bytes
    this.#missing += bytes
    // On a disk that is nearly full some blocks fit and some do not: that is told of once, and again only after a while.
    const told = this.#kept < toldAgain
    this.#kept = 0
    if (told) return
    const { message } = explain(error, `cannot write the log ${this.#directory}`) as Error
    this.#observer.warn(`${message}; what the program writes is not kept until it can be written again`)
  }

  #gap(): Buffer[] {
    if (this.#missing === 0) return []
    const time = entryTime()
    // Lines of which the end is missing end here, else what comes next would be glued to them.
    const ends = [...this.#open].map((stream) => `${entryHead(time, stream, 'F')}\n`)
    const text = `${this.#missing} bytes are missing here: the log could not be written`
    return [Buffer.from(`${ends.join('')}${entryHead(time, 'gupper', 'F')}${text}\n`)]
  }
}
