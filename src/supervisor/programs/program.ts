import { setTimeout as delay } from 'node:timers/promises'
import { constants } from 'node:os'
import type { Ended, Release, Running } from '../../activations/activation.ts'
import { findGroup, findMarked, isAlive, signalTo, type ProcessIdentity } from './process.ts'
import type { SavedProgram } from '../journal.ts'

/** How a program was stopped. */
export interface Stopped {
  /** Whether it, or something that it had started, had to be killed at the deadline. */
  killed: boolean
}

/** The environment variable by which everything that a program starts is found again. */
export const markName = 'GUPPER_INSTANCE'

const killPatience = 5000 // ms that the kernel may take to end what was killed
const waiterPatience = 500 // ms that the waiter of a program may take to tell how it ended

/** A program that was started here, or was found running. */
export class Program implements Running {
  readonly id: string
  release: Release
  readonly identity: ProcessIdentity
  readonly port: number | undefined
  readonly since: string
  readonly ended: Promise<Ended>
  /** How it ended, once it has. */
  end: Ended | undefined
  /** The same, where nobody had told it to end: its own word. */
  ownEnd: Ended | undefined
  /** The last lines that it wrote. */
  lastLines: () => readonly string[] = () => []
  /** Whether it was told to stop. */
  stopping = false
  #finish: (ended: Ended) => void = () => undefined

  /** When it was started, in ms; of one that was found running, to the second. */
  readonly began: number

  constructor(saved: SavedProgram, began = Date.parse(saved.since)) {
    this.began = began
    const { id, release, pid, started, port, since } = saved
    this.id = id
    this.release = release
    this.identity = { pid, started }
    this.port = port
    this.since = since
    this.ended = new Promise((resolve) => (this.#finish = resolve))
  }

  get pid(): number {
    return this.identity.pid
  }

  /** As it is written down. */
  get saved(): SavedProgram {
    const { id, release, identity, port, since } = this
    return { id, release, ...identity, port, since }
  }

  /** Is told how it ended; a status above 128 is a signal's number, as a shell tells it. */
  finish(status: number): void {
    this.end ??= endOf(status)
    if (!this.stopping) this.ownEnd ??= this.end
    this.#finish(this.end)
  }

  /** Sends a signal to the program itself. */
  signal(signal: NodeJS.Signals): boolean {
    return this.end === undefined && isAlive(this.identity) && signalTo(this.pid, signal)
  }

  /**
   * Tells the program to end (SIGTERM), then what it leaves behind in its group, and kills what is left at the deadline, also what
   * has left the group. Not all at once: a wrapper passes the signal on, and many programs take a second one for an order to hurry.
   * @param grace ms
   */
  async stop(grace: number): Promise<Stopped> {
    this.stopping = true
    const deadline = performance.now() + grace
    if (isAlive(this.identity)) signalTo(this.pid, 'SIGTERM')
    const ended = (await this.#hearOfEnd(deadline)) || !isAlive(this.identity)
    const gone = ended && (await this.#waitForGroup(deadline))
    await this.kill()
    return { killed: !gone }
  }

  /** Kills the program and everything that it has started, at once; waits until it is gone. */
  async kill(): Promise<void> {
    this.stopping = true
    const deadline = performance.now() + killPatience
    for (;;) {
      const left = new Set([...(await findGroup(this.pid)), ...(await findMarked(this.mark))])
      for (const pid of left) signalTo(pid, 'SIGKILL')
      if (left.size === 0 && !isAlive(this.identity)) break
      if (performance.now() > deadline) break
      await delay(5)
    }
    // Its waiter tells the true status; where that was killed too, nobody does.
    if (this.end === undefined && !(await this.#hearOfEnd(performance.now() + waiterPatience)))
      this.finish(128 + constants.signals.SIGKILL)
  }

  /** What only this program's processes have in their environment. */
  get mark(): string {
    return `${markName}=${this.id}`
  }

  async #hearOfEnd(deadline: number): Promise<boolean> {
    const timer = new AbortController()
    const left = Math.max(0, deadline - performance.now())
    const late = delay(left, false, { signal: timer.signal }).catch(() => false)
    const told = await Promise.race([this.ended.then(() => true), late])
    timer.abort()
    return told
  }

  /** Nobody tells of the end of those who are not our children: they are asked for. */
  async #waitForGroup(deadline: number): Promise<boolean> {
    if ((await findGroup(this.pid)).length === 0) return true
    signalTo(-this.pid, 'SIGTERM')
    for (let pause = 2; (await findGroup(this.pid)).length > 0; pause = Math.min(pause * 2, 200)) {
      if (performance.now() >= deadline) return false
      await delay(pause)
    }
    return true
  }
}

/** Reads a status as a shell tells it: above 128 it is a signal's number. */
export function endOf(status: number): Ended {
  const signal = signalNames.get(status - 128)
  return { status, ...(signal !== undefined && { signal }) }
}

/** How a program ended, for people: "ended with SIGSEGV", "exited with 3". */
export function describeEnd({ status, signal }: Ended): string {
  return signal === undefined ? `exited with ${status}` : `was ended by ${signal}`
}

const signalNames = new Map(
  Object.entries(constants.signals).map(([name, number]) => [number, name as NodeJS.Signals]),
)
