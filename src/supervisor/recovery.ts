import type { Release } from '../activations/activation.ts'
import { formatTime } from '../package/time.ts'
import type { HistoryEntry, Phase } from '../web/service-view.ts'
import { External } from './programs/external.ts'
import type { Facts, SavedProgram } from './journal.ts'
import { isAlive } from './programs/process.ts'
import { describeEnd, endOf, type Program } from './programs/program.ts'
import { isThere } from './own-release.ts'
import { isSameRelease, readRelease } from './release.ts'
import { fingerprint } from './settings.ts'
import type { Supervisor } from './supervisor.ts'
import { tryTakeBack } from './try-take-back.ts'

const switched: readonly Phase[] = ['switching', 'draining']
const done: readonly Phase[] = ['idle', 'committed', 'aborted', 'reverted', 'stuck']

/** What is to be done with what an earlier supervisor has left. */
export interface Verdict {
  /** Goes on as the live program. */
  live: SavedProgram | undefined
  /** Finishes what it has begun, and ends. */
  old: SavedProgram | undefined
  /** What became of the hand-over that was under way, if one was. */
  end: 'finished' | 'undone' | undefined
}

/**
 * Decides what becomes of the programs of a supervisor that was killed: a hand-over that had been switched is finished, one
 * that had not is undone, and what is not proven does not stay. Whatever is neither `live` nor `old` is killed.
 * @param facts what it had written down
 * @param alive says whether a program is still there
 * @param way its name: not every switch can be finished by another
 */
export function judge(
  facts: Readonly<Facts>,
  alive: (program: SavedProgram) => boolean,
  way: { name: string },
): Verdict {
  const { phase, from } = facts
  const live = facts.live && alive(facts.live) ? facts.live : undefined
  const candidate = facts.candidate && alive(facts.candidate) ? facts.candidate : undefined
  const old = live?.id === candidate?.id ? undefined : live
  if (done.includes(phase)) return { live, old: undefined, end: undefined }
  // Such a program waits for a word that only the one who started it can give.
  const cannotFinish = way.name === 'handover' && phase === 'switching'
  if (switched.includes(phase) && candidate && !cannotFinish) return { live: candidate, old, end: 'finished' }
  // On the way back, the candidate is what is to be live again, or else what has failed.
  const back = phase === 'reverting' && candidate && isSameRelease(candidate.release, from)
  return { live: back ? candidate : live, old: back ? old : undefined, end: 'undone' }
}

/** Begins the service: takes over what runs, finishes or undoes what was under way, and starts what is lacking. */
export async function recover(supervisor: Supervisor, cwd: string): Promise<void> {
  const { settings, way, programs, journal, events, log, observer } = supervisor.parts
  const past = { ...journal.facts }
  const mark = fingerprint(settings, cwd)
  const external = settings.command.length === 0
  const found = await programs.find(past.keeper)
  const same = past.settings === mark
  const verdict = judge(past, isAlive, way)
  const dead = past.live && !isAlive(past.live) ? programs.statusOf(past.live.id) : undefined
  let program: Program | undefined
  if (found && past.live && !same) {
    observer.info('the settings have changed: the program that runs is replaced')
    if (verdict.live) {
      const before = programs.adopt(verdict.live)
      programs.attend()
      await before.stop(settings.grace)
    }
  }
  if (found && same && verdict.live) program = programs.adopt(verdict.live)
  const old = program && verdict.old && programs.adopt(verdict.old)
  const ofOne = <T>(one: T | undefined): T[] => (one === undefined ? [] : [one])
  await programs.killOthers(
    [program, old].flatMap(ofOne).map(({ id }) => id),
    [past.live, past.candidate].flatMap(ofOne),
  )
  if (past.live && dead !== undefined)
    log.say(
      `${past.live.release.version} (${past.live.pid}) ${describeEnd(endOf(dead))}, while nobody supervised it`,
    )
  if (!found || !same) {
    programs.dismiss()
    const keeper = external
      ? undefined
      : await programs.open(settings.via === 'socket' ? settings.listen : undefined)
    journal.note({ keeper, settings: mark })
  }
  if (external && past.live) program = new External(past.live.release)
  await settle(supervisor, verdict.end, past, program)
  programs.attend()
  if (program !== undefined) {
    // Whether it was told to go back nobody knows; that the files are the old ones again, it is told now.
    if (way.inPlace && past.phase === 'reverting') await way.start(program.release, program)
    await supervisor.takeOver(program)
    events.tell('taken over', { version: program.release.version, pid: program.pid })
    supervisor.notes.state(past.state === 'ROLLBACK' ? 'ROLLBACK' : past.frozen === true ? 'FREEZE' : 'OK')
  }
  if (old !== undefined) supervisor.meanwhile(() => letGo(supervisor, old))
  void begin(supervisor, past)
}

/** The old program finishes what it has begun, for as long as it may. */
async function letGo({ parts }: Supervisor, old: Program): Promise<void> {
  try {
    await parts.way.drain(old, new AbortController().signal)
  } finally {
    await old.kill()
  }
}

/** Writes down what became of the hand-over that was under way, and that none is. */
async function settle(
  supervisor: Supervisor,
  end: Verdict['end'],
  past: Readonly<Facts>,
  program: Program | undefined,
): Promise<void> {
  const { journal, events, settings, observer } = supervisor.parts
  const { phase, state, from, to } = past
  const idle = {
    phase: 'idle',
    live: program?.saved,
    candidate: undefined,
    // Until it runs again, this is what its own build is known by.
    from: program === undefined ? ownOf(past) : undefined,
    ...{ to: undefined, undone: undefined },
  } as const
  if (end === undefined || to === undefined) {
    journal.note(idle)
    return
  }
  // It had failed: what was begun is brought to its end.
  const isBad = (phase === 'reverting' && state !== 'ROLLBACK') || (end === 'undone' && past.undone === true)
  if (isBad && !isSameRelease(from, to)) await tryTakeBack(settings.target, to, from, { observer, bad: true })
  const entry: HistoryEntry & { event: string } = {
    ...{ time: formatTime(new Date()), event: end, from: from?.version ?? 'nothing', to: to.version },
    ...{ state: end === 'finished' ? 'committed' : phase === 'reverting' ? 'reverted' : 'aborted' },
    reason: 'the supervisor was killed meanwhile',
  }
  const replaced = end === 'finished' && from !== undefined && !isSameRelease(from, to)
  journal.note({ ...idle, ...(replaced && { previous: from, committed: entry.time }) }, entry)
  const { time: _, ...fields } = entry
  events.tell(end, fields)
}

/** Starts what stands at the target, where it does not run yet; what ran before is what is gone back to if that fails. */
async function begin(supervisor: Supervisor, past: Readonly<Facts>): Promise<void> {
  const { settings, observer, journal } = supervisor.parts
  const isFrozen = (): boolean => journal.facts.frozen === true && past.state !== 'ROLLBACK'
  const plan =
    past.state === 'ROLLBACK'
      ? ({ event: 'rolled back', punish: false } as const)
      : ({ event: 'activated', punish: true } as const)
  try {
    if (supervisor.live && plan.punish) {
      const there = await readRelease(settings.target)
      if (there && !isSameRelease(there, supervisor.release) && !isFrozen())
        await supervisor.activate(undefined)
      return
    }
    await supervisor.exclusively(async () => {
      const there = await readRelease(settings.target)
      const own = supervisor.live ? supervisor.release : ownOf(past)
      const isOwnThere = supervisor.live !== undefined || (own?.slot !== undefined && (await isThere(own)))
      const before = isOwnThere ? own : undefined
      const changed = before !== undefined && !isSameRelease(there, before)
      if (own?.slot !== undefined && !isOwnThere && isFrozen()) {
        supervisor.release = own
        supervisor.reviver.miss(own)
      } else if (changed && !isFrozen() && there) {
        supervisor.release = before
        await supervisor.switchTo(there, plan)
      } else if (supervisor.live) supervisor.notes.state(past.frozen === true ? 'FREEZE' : 'OK')
      else if (changed || there)
        await supervisor.switchTo((changed ? before : there) as Release, { event: 'started', punish: false })
      else {
        const reason = `there is nothing at ${settings.target} yet`
        observer.warn(reason, { hint: `it is waited for: gupper install --to ${settings.target}` })
        supervisor.notes.state('BROKEN', reason)
      }
    })
  } catch (error) {
    if (!supervisor.stopping) observer.error(error instanceof Error ? error.message : String(error))
  }
}

/** What ran before; of a service that was frozen since, also what was to run first. */
function ownOf({ live, from, to, frozen }: Readonly<Facts>): Release | undefined {
  return live?.release ?? from ?? (frozen === true ? to : undefined)
}
