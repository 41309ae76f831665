import type { Observer } from '../package/observer.ts'

/** A program whose readiness is asked for. */
export interface Candidate {
  pid: number
  version: string
  /** Where it listens for this check: its own port behind a proxy, the shared address else. */
  address?: { host: string; port: number } | { path: string } | undefined
  /** Whether another program listens there too: an answer of that one says nothing of this one. */
  shared?: boolean
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Calls back with each line that the program writes, stdout and stderr, from its very first; returns how to stop. */
  onLine(listener: (line: string) => void): () => void
}

/** What a program must be started with so that it can say that it is ready. */
export interface Inheritance {
  /** Environment variables that it gets. */
  env: Record<string, string>
  /** Files that it gets opened for reading and writing, by file descriptor: a FIFO. */
  fds: Record<number, string>
}

/** A check that was made ready for one start of a program. */
export interface PreparedCheck {
  inherit: Inheritance
  /**
   * Waits until the program is ready, asking again and again where it must.
   * @throws GupperError `not-ready` with the last reason when `signal` is aborted by a deadline
   */
  wait(candidate: Candidate, signal: AbortSignal): Promise<void>
  /**
   * Says once more whether it is ready; a reason when not. It does not wait, but at a shared address, where it asks until the
   * program itself has answered, or to the deadline of `signal`. Ways that speak only once say yes.
   */
  again(candidate: Candidate, signal: AbortSignal): Promise<string | undefined>
  close(): Promise<void>
}

/** A way to tell whether a program is ready. */
export interface Check {
  /** As it was written: "http:/version={version}". */
  readonly text: string
  /** Whether the answer can come from another program than the one that was started, where the address is shared. */
  readonly ambiguous: boolean
  /** @param directory where its files may lie, one for this start; it exists */
  prepare(directory: string, observer: Observer): Promise<PreparedCheck>
}
