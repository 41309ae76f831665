import type { Ended, Release } from '../activations/activation.ts'
import { GupperError, type ErrorCode } from '../errors.ts'
import { describeEnd, type Program } from './programs/program.ts'
import { goneWhileFrozen, isThere } from './own-release.ts'
import { readRelease } from './release.ts'
import type { Supervisor } from './supervisor.ts'
import { tryTakeBack } from './try-take-back.ts'

const firstPause = 100 // ms before a program is started again
const longestPause = 30_000
const stable = 10_000 // ms that a program has to live for its end not to count as one of a row
const loop = 5 // ends in a row
const failed = 65 // the exit status where no program told one: it never became ready
const faulty: readonly ErrorCode[] = ['not-ready', 'reverted', 'stuck']
const probation = 10 * 60_000 // ms after it went live within which a version that falls into a loop is taken back

/** Starts a program again that has ended by itself, later and later, and takes a new version back that never stays. */
export class Reviver {
  /** How often it was started again since it went live. */
  restarts = 0
  /** How often, since the supervisor was started. */
  total = 0
  readonly #supervisor: Supervisor
  /** What failed in a row, and how much of that was the program's own fault. */
  #failures = 0
  #faults = 0
  #timer: NodeJS.Timeout | undefined

  constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor
    supervisor.signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true })
  }

  /** A program has ended that nobody told to. */
  mourn(program: Program, end: Ended): void {
    const supervisor = this.#supervisor
    const { events, log } = supervisor.parts
    const lived = Date.now() - program.began
    events.tell('ended', { version: program.release.version, pid: program.pid, ...end, lived_ms: lived })
    log.say(`${program.release.version} (${program.pid}) ${describeEnd(end)}`)
    if (lived >= stable) this.#failures = this.#faults = 0
    this.#failures++
    this.#faults++
    void program.kill()
    supervisor.meanwhile(async () => {
      if (supervisor.live || supervisor.stopping) return
      const next = this.#isRevived(end) ? '; it is being started again' : ''
      supervisor.notes.state('BROKEN', `${program.release.version} ${describeEnd(end)}${next}`)
      this.schedule(end)
      await Promise.resolve()
    })
  }

  /**
   * Starts what should run after a pause, if nothing does by then; or ends the service, where that is wanted.
   * @param end how the last program ended, if that is known
   */
  schedule(end?: Ended): void {
    if (this.#supervisor.stopping) return
    if (!this.#isRevived(end)) {
      void this.#supervisor.stop(end?.status ?? failed)
      return
    }
    clearTimeout(this.#timer)
    const pause = Math.min(longestPause, firstPause * 2 ** Math.max(0, this.#failures - 1))
    this.#timer = setTimeout(() => {
      this.#supervisor.meanwhile(() => this.revive())
    }, pause)
  }

  /** All is well again: the next end is the first one. */
  forget(): void {
    this.#failures = this.#faults = 0
    this.restarts = 0
    clearTimeout(this.#timer)
  }

  /** The build of a frozen service is gone, and no other takes its place by itself: it is looked for until it is there again. */
  miss(own: Release): void {
    const { notes, parts } = this.#supervisor
    const { message, hint } = goneWhileFrozen(parts.settings.name, own)
    const reason = `${message}: ${hint}`
    if (parts.journal.facts.reason !== reason) parts.observer.error(message, { hint })
    notes.anyway({ from: own })
    notes.state('BROKEN', reason)
    this.#failures++
    this.schedule()
  }

  /** Starts what should run now. Only from within {@link Supervisor.exclusively}. */
  async revive(): Promise<void> {
    const supervisor = this.#supervisor
    const { events, settings, journal } = supervisor.parts
    if (supervisor.live || supervisor.stopping) return
    if (this.#faults >= loop) await this.#breakLoop()
    const own = supervisor.release
    const there = own !== undefined && (await isThere(own))
    if (own !== undefined && !there && journal.facts.frozen === true) {
      this.miss(own)
      return
    }
    const release = there ? own : await readRelease(settings.target).catch(() => undefined)
    if (release === undefined) return
    this.restarts++
    this.total++
    try {
      await supervisor.switchTo(release, { event: 'restarted', punish: false })
    } catch (error) {
      // Told already; it is tried again. A full disk, say, is no fault of the program's.
      this.#failures++
      if (error instanceof GupperError && faulty.includes(error.code)) this.#faults++
      events.change({})
    }
  }

  #isRevived(end: Ended | undefined): boolean {
    const { restart } = this.#supervisor.parts.settings
    return restart === 'always' || (restart === 'failure' && end?.status !== 0)
  }

  async #breakLoop(): Promise<void> {
    const supervisor = this.#supervisor
    const { events, journal, settings, observer } = supervisor.parts
    const { committed, previous, frozen } = journal.facts
    const { release } = supervisor
    const reason = `${release?.version ?? 'it'} ended ${this.#faults} times in a row`
    const recent = committed !== undefined && Date.now() - Date.parse(committed) < probation
    const isBack =
      previous?.slot !== undefined && previous.slot !== release?.slot && (await isThere(previous))
    if (!recent || !isBack || frozen === true) {
      supervisor.notes.state('BROKEN', reason)
      if (this.#faults === loop) events.tell('crash-loop', { version: release?.version, reason })
      return
    }
    if (release) await tryTakeBack(settings.target, release, previous, { observer, bad: true })
    supervisor.notes.anyway({ previous: undefined })
    supervisor.release = previous
    this.#failures = this.#faults = 0
    events.tell('taken back', { from: release?.version, to: previous.version, reason })
  }
}
