import type { LogLine } from '../logs/log.ts'

/** The five states of a service, as people know them from gitopper; they survive restarts. */
export type ServiceState = 'OK' | 'FREEZE' | 'ROLLBACK' | 'BROKEN' | 'DIFF'

/** Where a hand-over is. */
export type Phase =
  | 'idle'
  | 'staged'
  | 'starting'
  | 'probing'
  | 'proving'
  | 'switching'
  | 'draining'
  | 'committed'
  | 'aborted'
  | 'reverting'
  | 'reverted'
  | 'stuck'

/** What `status` says of a service. */
export interface ServiceStatus {
  service: string
  state: ServiceState
  phase: Phase
  /** What runs now. */
  version?: string
  digest?: string
  pid?: number
  /** When it began to run. */
  since?: string
  /** What is being made live. */
  candidate?: { version: string; digest?: string; pid?: number }
  /** What stands at the target, where that is not what runs. */
  target?: string
  to: string
  way: string
  listen?: string
  source?: string[]
  /** How often the program was started again since it went live. */
  restarts: number
  /** Why it is as it is, in a line. */
  reason?: string
}

/** One hand-over, restart or decision in the history of a service. */
export interface HistoryEntry {
  time: string
  event: string
  from?: string
  to?: string
  state?: string
  took_ms?: number
  in_flight?: number | null
  held?: number | null
  retried?: number | null
  cut?: number | null
  lost?: number | null
  reason?: string
}

/** What was counted since the supervisor started. */
export interface ServiceCounts {
  /** Hand-overs by their end: committed, aborted, reverted, stuck. */
  switches: Record<string, number>
  /** How long they took, s. */
  durations: number[]
  lost: number
  restarts: number
}

/** A service as the web page and the metrics see it. */
export interface ServiceView {
  status(): Promise<ServiceStatus>
  /** The latest, newest first. */
  history(count: number): HistoryEntry[]
  /** The latest, oldest first. */
  logTail(count: number): Promise<LogLine[]>
  counts(): ServiceCounts
  /** Calls back whenever the status or the history have changed, and with each line of the log; returns how to stop. */
  onChange(
    listener: (change: { status?: ServiceStatus; line?: LogLine; history?: HistoryEntry }) => void,
  ): () => void
  /**
   * Does what a person asked for; returns what came of it, in a line.
   * @throws GupperError
   */
  act(
    action: 'check' | 'upgrade' | 'rollback' | 'freeze' | 'unfreeze' | 'restart',
    version?: string,
  ): Promise<string>
}
