import type { ListenAddress } from '../net/listening.ts'
import type { Observer } from '../package/observer.ts'

/** A program that answers requests. */
export interface Backend {
  /** Tells the programs apart: two runs of one version are two. */
  id: string
  host: string
  port: number
}

/** What became of requests since the proxy began to listen. */
export interface ProxyCounts {
  /** Requests that came. */
  requests: number
  /** Requests that had to wait for a program. */
  held: number
  /** The longest that one waited, ms, since it was last asked for. */
  longestHoldMs: number
  /** Requests that were sent once more, since the connection they were sent on had been closed by the program. */
  retried: number
  /** Requests that were begun and got no whole answer from a program: 502, 503, 504 of ours, and answers that broke off. */
  lost: number
  /** Requests, websockets and streams that were cut when their time to drain was over. */
  cut: number
}

/** How a drain ended. */
export interface Drained {
  /** How many were under way when it began. */
  inFlight: number
  /** How many of them were cut at the deadline. */
  cut: number
}

/** How a proxy listens and waits. */
export interface ProxyOptions {
  listen: ListenAddress
  /** How long a request waits while nobody answers, ms; then it gets 503 with a reason. */
  holdMs?: number | undefined
  /** How many requests may wait at a time; more get 503 at once. Default 10 000. */
  mostHeld?: number | undefined
  observer?: Observer | undefined
}

/** An HTTP proxy before one program, which can be replaced by another between two requests. */
export interface Proxy {
  /** "http://127.0.0.1:8080", "unix:/run/app.sock" */
  readonly url: string
  /** Where new requests go; undefined while they are held. */
  readonly current: Backend | undefined
  /** From now on new requests go to this one, those that are held too; undefined: they are held. */
  switchTo(backend: Backend | undefined, reason?: string): void
  /** What is under way at a backend: requests, websockets, streams. */
  inFlight(id: string): number
  /** Waits until nothing is under way at a backend, and cuts what is left at the deadline (ms). Closes idle connections to it. */
  drain(id: string, deadlineMs: number, signal?: AbortSignal): Promise<Drained>
  counts(): ProxyCounts
  /** Accepts nothing new, lets what is under way finish for so long, and ends. */
  close(drainMs: number): Promise<void>
}
