import { isDeepStrictEqual } from 'node:util'
import { GupperError } from '../errors.ts'
import type { Items } from '../package/flow.ts'
import { formatTime } from '../package/time.ts'
import { isFailure, type Item } from '../package/record.ts'
import { rollback } from '../store/rollback.ts'
import { takeBack } from '../store/take-back.ts'
import type { Activated } from './events.ts'
import { describeIdle, describeUndone, explainEntry } from './outcome.ts'
import { goneWhileFrozen, isThere, refuseFrozen } from './own-release.ts'
import { demandRelease, isSameRelease, readRelease } from './release.ts'
import type { Supervisor } from './supervisor.ts'
import type { Update } from './update.ts'

/** Looks for an update and installs it: what `update` does, once. */
export type Look = () => Items

/** What people may ask of a service, from the command line and the web page. */
export class Operations {
  readonly #supervisor: Supervisor
  readonly #world: { look: Look | undefined; cwd: string; env: Readonly<Record<string, string | undefined>> }
  /** Is called when the service follows its source again. */
  onThaw: () => void = () => undefined

  constructor(
    supervisor: Supervisor,
    world: { look: Look | undefined; cwd: string; env: Readonly<Record<string, string | undefined>> },
  ) {
    this.#supervisor = supervisor
    this.#world = world
  }

  /** Follows its source no more; what runs goes on. */
  freeze(): void {
    const { notes, parts } = this.#supervisor
    const { journal, events } = parts
    notes.anyway({ frozen: true, ...(journal.facts.state !== 'BROKEN' && { state: 'FREEZE' }) })
    events.tell('frozen')
    events.change({})
  }

  /** Follows its source again; what was installed meanwhile goes live. */
  unfreeze(): void {
    const supervisor = this.#supervisor
    const { journal, events } = supervisor.parts
    journal.note({ frozen: false, ...(journal.facts.state !== 'BROKEN' && { state: 'OK' }) })
    events.tell('unfrozen')
    events.change({})
    // One whose own build was gone may take another now.
    if (!supervisor.live) supervisor.meanwhile(() => supervisor.reviver.revive())
    else this.#catchUp()
    this.onThaw()
  }

  // Whoever installed it was refused then.
  #catchUp(): void {
    const supervisor = this.#supervisor
    const { settings, observer } = supervisor.parts
    const work = async (): Promise<void> => {
      const there = await readRelease(settings.target)
      if (there && supervisor.live && !isSameRelease(there, supervisor.release)) await supervisor.activate()
    }
    work().catch((error: unknown) => {
      observer.error(error instanceof Error ? error.message : String(error))
    })
  }

  /**
   * Goes back to the version before, or to a kept one, without a network, and freezes the service. Without a version, and with
   * something at the target that does not run, only the target goes back, to what runs. An update that is under way is broken off:
   * an emergency waits for no drain.
   * @param gone aborted when nobody waits for it any more: then it is not begun
   * @throws GupperError `no` (1) when there is nothing to go back to; else as {@link Supervisor.activate}
   */
  async rollback(version: string | undefined, gone?: AbortSignal): Promise<Activated> {
    const supervisor = this.#supervisor
    const { settings, journal, events, way } = supervisor.parts
    const began = performance.now()
    // What cannot be done breaks nothing off.
    if (supervisor.updating) await this.#demandWayBack(version)
    const { frozen } = journal.facts
    if (supervisor.updating) {
      // Whoever comes after a kill -9 must not go on with it.
      supervisor.notes.anyway({ undone: true, frozen: true })
      supervisor.notes.state(journal.facts.state === 'OK' ? 'FREEZE' : journal.facts.state)
    }
    const update = supervisor.undo()
    return supervisor.exclusively(async () => {
      if (!update) gone?.throwIfAborted()
      const before = journal.facts.state === 'FREEZE' && frozen !== true ? 'OK' : journal.facts.state
      supervisor.notes.anyway({ state: 'ROLLBACK', frozen: true, undone: undefined })
      events.change({})
      let release
      try {
        await this.#rollTarget(version, update)
        release = await demandRelease(settings.target)
      } catch (error) {
        supervisor.notes.anyway({ state: before, frozen: frozen === true })
        events.change({})
        throw error
      }
      if (isSameRelease(release, supervisor.release) && supervisor.live) {
        supervisor.notes.state('FREEZE')
        if (!update?.isOff) return describeIdle(settings.name, way.name, release)
        const undone = describeUndone(settings.name, way.name, update, release, began)
        this.#tellUndone(undone)
        return undone
      }
      try {
        return await supervisor.switchTo(release, { event: 'rolled back', punish: false })
      } catch (error) {
        supervisor.notes.state('BROKEN', error instanceof Error ? error.message : String(error))
        throw error
      }
    })
  }

  async #demandWayBack(version: string | undefined): Promise<void> {
    const { release, parts } = this.#supervisor
    const { name, target } = parts.settings
    if (release === undefined || !(await isThere(release)))
      throw new GupperError('no', `${name} has no version before the one that is being started`, {
        hint: `look at: gupper status ${name}`,
      })
    if (version === undefined || version === release.version) return
    const { env, cwd } = this.#world
    await rollback(target, { version, dryRun: true, cwd, env })
  }

  #tellUndone({ service: _, ...undone }: Activated): void {
    const { notes, parts } = this.#supervisor
    const entry = { event: 'rolled back', ...undone, reason: `${undone.broken_off ?? ''} was broken off` }
    const history = { time: formatTime(new Date()), ...entry }
    notes.anyway({}, history)
    const { event, ...fields } = entry
    parts.events.tell(event, fields)
    parts.events.change({ history })
  }

  async #rollTarget(version: string | undefined, update: Update | undefined): Promise<void> {
    const { parts, live, release, signal } = this.#supervisor
    const { settings, journal, observer } = parts
    const { env, cwd } = this.#world
    const isBack = update?.isOff === true
    const isMeant = version === undefined || (isBack && version === release?.version)
    if (isMeant && (live || isBack) && release?.slot !== undefined) {
      const there = await readRelease(settings.target)
      const options = { observer, signal, bad: true }
      if (isSameRelease(there, release)) {
        if (isBack) return
      } else if (await takeBack(settings.target, there?.digest, release.slot, options)) return
    }
    const service = { previous: journal.facts.previous?.slot }
    await rollback(settings.target, { version, service, cwd, env, observer, signal })
  }

  /** Starts the release that is live anew, by the way it went live; not when nobody waits for that any more at its turn. */
  async restart(gone?: AbortSignal): Promise<Activated> {
    const supervisor = this.#supervisor
    const { settings, way, journal } = supervisor.parts
    return supervisor.exclusively(async () => {
      gone?.throwIfAborted()
      const own = supervisor.release
      if (own && journal.facts.frozen === true && !(await isThere(own)))
        throw goneWhileFrozen(settings.name, own)
      const release = own ?? (await demandRelease(settings.target))
      supervisor.reviver.forget()
      // Such a program would take up what it has already.
      if (way.inPlace) await supervisor.live?.stop(settings.grace)
      return supervisor.switchTo(release, { event: 'restarted', punish: false })
    })
  }

  /** Makes what stands at the target live. */
  async activate(digest?: string): Promise<Activated> {
    return this.#supervisor.activate(digest)
  }

  /**
   * Looks for an update now, and makes it live.
   * @returns what was done; nothing when nothing is new
   * @throws GupperError `usage` (64) without a source; `frozen` (1)
   */
  async *check(): AsyncGenerator<Item> {
    const { settings, journal } = this.#supervisor.parts
    const { look } = this.#world
    if (look === undefined)
      throw new GupperError('usage', `${settings.name} follows no source`, {
        hint: 'start it with: gupper run --source URL, or use: … | gupper install | gupper activate',
      })
    refuseFrozen(settings.name, journal.facts)
    for await (const item of look()) {
      if (isFailure(item) || item.installed?.changed !== true) yield item
      else yield { ...item, activated: await this.#supervisor.activate(item.digest) }
    }
  }

  /** The same, also of what the service has found by itself meanwhile. @throws GupperError `not-ready`, `reverted` (65) too */
  async *checkNow(): AsyncGenerator<object> {
    const supervisor = this.#supervisor
    const { settings, journal } = supervisor.parts
    const [before] = journal.history(1)
    let any = false
    for await (const item of this.check()) {
      any = true
      yield item
    }
    if (any) return
    await supervisor.exclusively(() => Promise.resolve())
    const [last] = journal.history(1)
    if (last === undefined || isDeepStrictEqual(last, before)) return
    if (last.state === 'committed') yield { service: settings.name, ...last }
    else throw explainEntry(settings.name, last)
  }

  /** The program gets a signal. */
  signal(name: NodeJS.Signals): boolean {
    return this.#supervisor.live?.signal(name) ?? false
  }
}
