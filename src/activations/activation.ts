import type { ListenAddress } from '../net/listening.ts'

/** One version of a program on this machine's disk. */
export interface Release {
  version: string
  /** The package's; a program that gupper did not install has none. */
  digest?: string | undefined
  /** Its slot beside the target; without one it stands at the target only. */
  slot?: string | undefined
  /** The program, or the directory of a tree. */
  path: string
}

/** How a program ended: its status, or the signal that ended it. */
export interface Ended {
  status: number
  signal?: NodeJS.Signals | undefined
}

/** A program that runs, as a way of going live sees it. */
export interface Running {
  readonly id: string
  release: Release
  readonly pid: number
  /** Its own port, where it was given one. */
  readonly port: number | undefined
  readonly ended: Promise<Ended>
  /** How it ended, once it has. */
  readonly end: Ended | undefined
  /** Tells it and its group to end, and kills what is left after so many ms. */
  stop(grace: number): Promise<{ killed: boolean }>
  /** Sends it a signal; false when it is gone. */
  signal(signal: NodeJS.Signals): boolean
}

/** What a way adds to the start of a program. */
export interface StartPlan {
  /** Arguments after its own. */
  args?: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Whether it inherits the listening socket as fd 3. */
  socket?: boolean
  port?: number
  /** Whether it sees the target itself and not the place of its release. */
  inPlace?: boolean
}

/** What a way of going live has of the supervisor. */
export interface Stage<P extends Running = Running> {
  /** Starts a program of a release. */
  start(release: Release, plan: StartPlan): Promise<P>
  /** Where the service is reached. */
  readonly listen: ListenAddress | undefined
  /** ms a program may take to end once it was told to. */
  readonly grace: number
  /** ms that what is under way at the old one may still take. */
  readonly drain: number
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  readonly signal: AbortSignal
}

/** What became of the old program's work; null is what this way cannot know. */
export interface Drained {
  in_flight: number | null
  cut: number | null
  lost: number | null
}

/** How a version goes live. The supervisor calls these in their order, and writes down each before. */
export interface Way<P extends Running = Running> {
  readonly name: string
  /** Whether the old program goes on untouched until the switch. */
  readonly overlapping: boolean
  /** Whether the program that runs takes the new version up by itself: then `start` returns the same one. */
  readonly inPlace: boolean
  /** Whether old and new answer at one address, so that an answer must tell the version. */
  readonly shared: boolean
  /** What it cannot promise, for people. */
  readonly caveat?: string
  /** Makes ready what outlives the single program. */
  open?(): Promise<void>
  /** Starts a release beside the program that runs, or after it. */
  start(release: Release, from: P | undefined): Promise<P>
  /** Where a program is asked whether it is ready. */
  addressOf(program: P): { host: string; port: number } | { path: string } | undefined
  /** Says that a program can be switched to, where that is told before it answers at its address. */
  probe?(program: P, signal: AbortSignal): Promise<void>
  /** Makes a program the one that gets what comes from now on; `from` is the one before, if it still runs. */
  switch(to: P, from: P | undefined): Promise<void>
  /** Nobody answers for a while: what comes is to wait, where it can. */
  hold?(reason: string): void
  /** Lets the old program finish what it has begun, and ends it; not any more once the signal is aborted. */
  drain(from: P, signal: AbortSignal): Promise<Drained>
  /** What was held, sent again and lost so far. */
  counts?(): { held: number; retried: number; lost: number; cut: number }
  /** Where it is reached, if that is not the stage's address. */
  url?(): string | undefined
  close?(drain: number): Promise<void>
}
