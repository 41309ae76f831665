import { randomBytes } from 'node:crypto'
import type { LogLine } from '../logs/log.ts'
import { cutLine, joinLines, tidyText } from './log-text.ts'
import { extendTrail } from './phases.ts'
import type { HistoryEntry, Phase, ServiceStatus, ServiceView } from './service-view.ts'

/** What an event says; all of it in a `reset`, what has changed in a `change`. */
export interface Change {
  status?: ServiceStatus
  /** The phases of the present hand-over so far. */
  trail?: readonly Phase[]
  /** Newest first. */
  history?: readonly HistoryEntry[]
  /** Oldest first. */
  lines?: readonly LogLine[]
  /** How many lines before these were left out, because they came too fast. */
  skipped?: number
}

/** How much is kept. */
export interface FeedLimits {
  /** Lines that a new reader gets, and at most in one event. */
  lines: number
  /** Entries of the history that a new reader gets. */
  history: number
  /** Events, and their characters, that can be asked for again. */
  past: number
  pastSize: number
  /** ms in which lines are gathered into one event: nobody reads faster. */
  frame: number
}

export const feedLimits: FeedLimits = { lines: 200, history: 50, past: 500, pastSize: 1 << 20, frame: 100 }

interface Event {
  number: number
  text: string
}

/** What happens to a service as numbered server-sent events (WHATWG HTML §9.2), with a memory for who was away. */
export class Feed {
  readonly #view: ServiceView
  readonly #limits: FeedLimits
  readonly #emit: (text: string) => void
  // Numbers start anew with the supervisor; the run keeps those of an earlier one apart.
  readonly #run = randomBytes(6).toString('hex')
  readonly #past: Event[] = []
  #pastSize = 0
  #number = 0
  #status: ServiceStatus | undefined
  #statuses = 0
  #trail: Phase[] = []
  #lines: LogLine[] = []
  #waiting = 0
  #frame: NodeJS.Timeout | undefined
  #stop: (() => void) | undefined

  /** @param emit is called with each event, ready to be sent */
  constructor(view: ServiceView, limits: FeedLimits, emit: (text: string) => void) {
    this.#view = view
    this.#limits = limits
    this.#emit = emit
  }

  /** Begins to listen to the service; resolves when what was before is known. */
  async open(): Promise<void> {
    const told: LogLine[] = []
    let note = (line: LogLine): unknown => told.push(cutLine(line))
    this.#stop = this.#view.onChange(({ status, line, history }) => {
      if (line) note(line)
      if (status) this.#know(status)
      if (!status && !history) return
      this.#flush()
      this.#publish({
        ...(status && { status, trail: this.#trail }),
        ...(history && { history: [history] }),
      })
    })
    const read = await this.#view.logTail(this.#limits.lines)
    this.#lines = joinLines(read.map(cutLine), told).slice(-this.#limits.lines)
    note = (line) => this.#add(line)
    await this.refresh()
  }

  /** Asks how the service is; what is told meanwhile is newer than the answer. */
  async refresh(): Promise<void> {
    const before = this.#statuses
    const status = await this.#view.status()
    if (before === this.#statuses) this.#know(status)
  }

  /** Everything a new reader has to know, as one event; what comes after it is emitted. */
  snapshot(): string {
    this.#flush()
    const history = this.#view.history(this.#limits.history)
    const lines = this.#lines.map(tidy)
    const data = { ...(this.#status && { status: this.#status }), trail: this.#trail, history, lines }
    return this.#write('reset', this.#number, data)
  }

  /**
   * What was missed.
   * @param last the id a reader saw last
   * @returns undefined when that is not known any more: it needs a {@link snapshot}
   */
  since(last: string): string | undefined {
    this.#flush()
    const [, run, digits] = /^([0-9a-f]{12})-(\d{1,15})$/.exec(last) ?? []
    const number = Number(digits)
    const known = run === this.#run && number <= this.#number && number >= this.#number - this.#past.length
    if (!known) return undefined
    const missed = this.#past.filter((event) => event.number > number).map(({ text }) => text)
    return missed.join('')
  }

  /** Listens no more. */
  close(): void {
    this.#stop?.()
    clearTimeout(this.#frame)
  }

  #know(status: ServiceStatus): void {
    this.#status = status
    this.#statuses++
    this.#trail = extendTrail(this.#trail, status.phase)
  }

  #add(line: LogLine): void {
    this.#lines.push(cutLine(line))
    if (this.#lines.length > this.#limits.lines) this.#lines.shift()
    this.#waiting++
    this.#frame ??= setTimeout(() => this.#flush(), this.#limits.frame)
  }

  #flush(): void {
    clearTimeout(this.#frame)
    this.#frame = undefined
    if (this.#waiting === 0) return
    const count = Math.min(this.#waiting, this.#lines.length)
    const skipped = this.#waiting - count
    this.#waiting = 0
    this.#publish({ lines: this.#lines.slice(-count).map(tidy), ...(skipped > 0 && { skipped }) })
  }

  #publish(change: Change): void {
    const number = ++this.#number
    const text = this.#write('change', number, change)
    this.#past.push({ number, text })
    this.#pastSize += text.length
    while (this.#past.length > this.#limits.past || this.#pastSize > this.#limits.pastSize)
      this.#pastSize -= this.#past.shift()?.text.length ?? 0
    this.#emit(text)
  }

  #write(type: string, number: number, data: Change): string {
    return `event: ${type}\nid: ${this.#run}-${number}\ndata: ${JSON.stringify(data)}\n\n`
  }
}

function tidy({ time, stream, line }: LogLine): LogLine {
  return { time, stream, line: tidyText(line) }
}
