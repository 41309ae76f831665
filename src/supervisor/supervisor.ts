import type { Release, Way } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import type { LogWriter } from '../logs/writer.ts'
import type { Observer } from '../package/observer.ts'
import { formatTime } from '../package/time.ts'
import type { HistoryEntry } from '../web/service-view.ts'
import { createContext } from './context.ts'
import type { Activated, Events } from './events.ts'
import { handOver, type HandOverResult } from './hand-over.ts'
import type { Facts, Journal } from './journal.ts'
import { watchMemory } from './programs/memory.ts'
import { Notes } from './notes.ts'
import { refuseFrozen } from './own-release.ts'
import { Pinned } from './pinned.ts'
import type { Program } from './programs/program.ts'
import type { Programs } from './programs/programs.ts'
import { demandRelease, isSameRelease } from './release.ts'
import { Latest } from './latest.ts'
import { Leaving } from './leaving.ts'
import { describeIdle, describeOutcome, explainOutcome, namedReason, tellOutcome } from './outcome.ts'
import { Reviver } from './reviver.ts'
import { Serial } from './serial.ts'
import type { Settings } from './settings.ts'
import { goneBack, Update, Updates } from './update.ts'

/** What a supervisor is made of. */
export interface SupervisorParts {
  settings: Settings
  way: Way<Program>
  programs: Programs
  journal: Journal
  events: Events
  log: LogWriter
  observer: Observer
}

interface SwitchPlan {
  /** What the history calls it. */
  event: 'started' | 'activated' | 'rolled back' | 'restarted' | 'taken back'
  /** Whether a build that fails is taken back from the target and remembered as bad. */
  punish: boolean
}

/** Runs one service: one program is live, another may be on its way. */
export class Supervisor {
  readonly parts: SupervisorParts
  readonly notes: Notes
  readonly reviver: Reviver
  /** Fulfilled with the exit status when the service has ended. */
  readonly ended: Promise<number>
  #live: Program | undefined
  #release: Release | undefined
  #routed: Program | undefined
  #finish: (status: number) => void = () => undefined
  readonly #serial = new Serial()
  readonly #latest = new Latest(this.#serial)
  readonly #pinned: Pinned
  readonly #stopped = new AbortController()
  readonly #leaving = new Leaving()
  readonly #updates = new Updates()

  constructor(parts: SupervisorParts) {
    this.parts = parts
    this.notes = new Notes(parts)
    this.#pinned = new Pinned(parts)
    this.ended = new Promise((resolve) => (this.#finish = resolve))
    this.reviver = new Reviver(this)
  }

  /** The program that is live, unless it has ended. */
  get live(): Program | undefined {
    return this.#live?.end === undefined ? this.#live : undefined
  }

  /** The release that is live, or is started again and again. */
  get release(): Release | undefined {
    return this.#release
  }

  set release(release: Release | undefined) {
    this.#release = release
  }

  get stopping(): boolean {
    return this.#stopped.signal.aborted
  }

  get signal(): AbortSignal {
    return this.#stopped.signal
  }

  /** Does something when nothing else is under way. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#serial.do(work)
  }

  /** Does something that nobody waits for when nothing else is under way; a failure is told. */
  meanwhile(work: () => Promise<void>): void {
    this.exclusively(work).catch((error: unknown) => {
      this.parts.observer.error(error instanceof Error ? error.message : String(error))
    })
  }

  /** Makes a program that was found running the live one. */
  async takeOver(program: Program): Promise<void> {
    await this.parts.way.switch(program, undefined)
    this.#routed = program
    this.#release = program.release
    this.#attend(program)
    await this.#pinned.keep(program.release, this.parts.journal.facts.previous)
  }

  /**
   * Makes what stands at the target live; one that waits already is superseded by one that comes later.
   * @param digest the build that is meant; another one at the target means that a later one has come
   * @throws GupperError `not-ready`, `reverted` (65), `stuck`, `not-running` (69), `frozen`, `superseded` (1), `not-installed` (64)
   */
  async activate(digest?: string): Promise<Activated> {
    const { settings, journal, way } = this.parts
    refuseFrozen(settings.name, journal.facts)
    const newer = (await demandRelease(settings.target)).version
    const superseded = (version: string): GupperError =>
      new GupperError('superseded', `a later update came meanwhile: ${version}`)
    const work = async (): Promise<Activated> => {
      // It may have been frozen while this waited.
      refuseFrozen(settings.name, journal.facts)
      const release = await demandRelease(settings.target)
      if (digest !== undefined && release.digest !== digest) throw superseded(release.version)
      if (isSameRelease(release, this.#release) && this.live)
        return describeIdle(settings.name, way.name, release)
      return this.switchTo(release, { event: 'activated', punish: true })
    }
    return this.#latest.do(() => this.#updates.breakable(work), superseded(newer))
  }

  /** Whether an update is under way. */
  get updating(): boolean {
    return this.#updates.now !== undefined
  }

  /**
   * Breaks off the update that is under way, and any that waits; its build is taken back.
   * @returns the one that was under way
   */
  undo(): Update | undefined {
    this.#latest.drop(goneBack())
    return this.#updates.undo()
  }

  /** Replaces what is live by a release. Only from within {@link exclusively}. */
  async switchTo(release: Release, plan: SwitchPlan): Promise<Activated> {
    return plan.event === 'activated'
      ? this.#updates.breakable((update) => this.#switchTo(release, plan, update))
      : this.#switchTo(release, plan, new Update())
  }

  async #switchTo(release: Release, plan: SwitchPlan, update: Update): Promise<Activated> {
    const { events, way, settings, journal } = this.parts
    const before = this.#release
    const from = this.live
    const began = performance.now()
    // What runs anew is no other than before.
    const anew = plan.event === 'started' || plan.event === 'restarted'
    // That, and the way back, has to go on a full disk too.
    const anyway = plan.event !== 'activated'
    const facts = { from: before, to: release, candidate: undefined }
    await this.#pinned.keep(before, release, journal.facts.previous)
    this.notes.phase('staged', release.version, facts, { anyway })
    const context = createContext(this, {
      ...{ release, before, punish: plan.punish, anyway, undone: update.undone },
      routed: (program) => (this.#routed = program),
      leave: (end) => this.#leaving.add(end),
    })
    const result = await handOver(context, release, from, anew ? undefined : before)
    const { state, live } = result
    const activated = describeOutcome(result, {
      ...{ service: settings.name, way: way.name, from: before, to: release, began },
    })
    update.activated = activated
    const reason = result.error instanceof Error ? result.error.message : undefined
    const entry = { ...activated, event: plan.event, ...(reason !== undefined && { reason }) }
    const { service: _, log: __, ...rest } = entry
    const history = { time: formatTime(new Date()), ...rest }
    this.#conclude(result, release, before, history)
    this.parts.log.say(tellOutcome(release, state, reason))
    await this.#pinned.keep(this.#release, journal.facts.previous)
    events.tell(plan.event, { ...entry, pid: live?.pid })
    events.change({ history })
    if (!this.live) this.reviver.schedule(result.to?.ownEnd)
    if (state !== 'committed') throw explainOutcome(activated, result.error, this.live !== undefined)
    return activated
  }

  /** Ends the service: first nothing new is taken, then what is under way may finish. */
  async stop(status = 0): Promise<void> {
    if (this.stopping) return
    const { way, settings, events } = this.parts
    this.#stopped.abort(new GupperError('not-running', 'the service is being stopped'))
    events.tell('stopping')
    await this.#serial.settled()
    await way.close?.(settings.drain)
    await this.#live?.stop(way.overlapping ? Math.max(settings.drain, settings.grace) : settings.grace)
    await this.#leaving.settled()
    // What stands at the target may be another by now, which a hand-over that was cut off has not proven.
    const from = this.#release
    this.notes.anyway({ phase: 'idle', live: undefined, candidate: undefined, keeper: undefined, from })
    events.tell('stopped', { status })
    this.#finish(status)
  }

  #conclude(
    { state, live, error }: HandOverResult,
    release: Release,
    before: Release | undefined,
    history: HistoryEntry,
  ): void {
    const { journal } = this.parts
    const committed = state === 'committed'
    this.#release = committed ? release : (before ?? release)
    if (live !== undefined && live !== this.#live) this.#attend(live)
    else this.#live = live
    const broken = state === 'stuck' || live === undefined
    const facts: Partial<Facts> = {
      ...{ phase: state, live: live?.saved, candidate: undefined, to: undefined },
      from: live === undefined ? this.#release : undefined,
      reason: error instanceof Error ? namedReason(release, error.message) : undefined,
      ...(committed && !isSameRelease(release, before) && { committed: history.time, previous: before }),
      state: broken ? 'BROKEN' : journal.facts.frozen === true ? 'FREEZE' : 'OK',
    }
    this.notes.anyway(facts, history)
  }

  #attend(program: Program): void {
    this.#live = program
    const { settings, events } = this.parts
    if (settings.memory !== undefined)
      watchMemory(program, settings.memory, (bytes) => {
        events.tell('too much memory', { version: program.release.version, pid: program.pid, bytes })
        program.signal('SIGKILL')
      })
    void program.ended.then((end) => {
      if (program.stopping || this.stopping) return
      if (this.#routed === program)
        this.parts.way.hold?.(`${program.release.version} has ended; it is being started again`)
      this.reviver.mourn(program, end)
    })
  }
}
