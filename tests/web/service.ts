import { GupperError } from '../../src/errors.ts'
import type { LogLine, LogStream } from '../../src/logs/log.ts'
import type { HistoryEntry, ServiceCounts, ServiceStatus, ServiceView } from '../../src/web/service-view.ts'

type Change = Parameters<Parameters<ServiceView['onChange']>[0]>[0]

/** A service that lives in memory: what a supervisor shows of a real one. */
export class Service implements ServiceView {
  now: ServiceStatus = {
    service: 'web',
    state: 'OK',
    phase: 'idle',
    version: '1.2.0',
    digest: `sha256:${'ab'.repeat(32)}`,
    pid: 4711,
    since: '2026-11-20T10:00:00.000Z',
    to: '/opt/web/web',
    way: 'socket',
    listen: '127.0.0.1:8080',
    source: ['https://repo.example/'],
    restarts: 0,
  }
  counted: ServiceCounts = { switches: {}, durations: [], lost: 0, restarts: 0 }
  readonly entries: HistoryEntry[] = []
  readonly lines: LogLine[] = []
  /** What people asked for, "rollback 1.1.0". */
  readonly asked: string[] = []
  /** What the next action comes to. */
  answer: () => Promise<string> = () => Promise.resolve('done')
  readonly #listeners = new Set<(change: Change) => void>()

  get listeners(): number {
    return this.#listeners.size
  }

  status(): Promise<ServiceStatus> {
    return Promise.resolve(this.now)
  }

  history(count: number): HistoryEntry[] {
    return this.entries.slice(0, count)
  }

  logTail(count: number): Promise<LogLine[]> {
    return Promise.resolve(this.lines.slice(-count))
  }

  counts(): ServiceCounts {
    return this.counted
  }

  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async act(...[action, version]: Parameters<ServiceView['act']>): Promise<string> {
    this.asked.push(version === undefined ? action : `${action} ${version}`)
    const result = await this.answer()
    if (action === 'freeze') this.become({ state: 'FREEZE' })
    if (action === 'unfreeze') this.become({ state: 'OK' })
    return result
  }

  /** Something of the status changes. */
  become(change: Partial<ServiceStatus>): void {
    this.now = { ...this.now, ...change }
    this.#tell({ status: this.now })
  }

  /** The program, or the supervisor, says a line. */
  say(line: string, stream: LogStream = 'stdout'): void {
    const said = { time: new Date().toISOString(), stream, line }
    this.lines.push(said)
    this.#tell({ line: said })
  }

  /** Something is over that belongs into the history. */
  record(entry: Omit<HistoryEntry, 'time'>): void {
    const history = { time: new Date().toISOString(), ...entry }
    this.entries.unshift(history)
    this.#tell({ history })
  }

  #tell(change: Change): void {
    for (const listener of this.#listeners) listener(change)
  }
}

/** An action that fails as gupper's do. */
export function failing(...args: ConstructorParameters<typeof GupperError>): () => Promise<string> {
  return () => Promise.reject(new GupperError(...args))
}
