import type { Release } from '../activations/activation.ts'
import { formatTime } from '../package/time.ts'
import { takeBack } from '../store/take-back.ts'
import type { Phase } from '../web/service-view.ts'
import { External } from './external.ts'
import type { Facts, SavedProgram } from './journal.ts'
import { isAlive } from './process.ts'
import type { Program } from './program.ts'
import { isSameRelease, readRelease } from './release.ts'
import { fingerprint } from './settings.ts'
import type { Supervisor } from './supervisor.ts'

const switched: readonly Phase[] = ['switching', 'draining']

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
 * that had not is undone. Whatever is neither `live` nor `old` is killed.
 * @param facts what it had written down
 * @param alive says whether a program is still there
 * @param way whether the old program is untouched until the switch, and whether a switch can be finished by another
 */
export function judge(
  facts: Readonly<Facts>,
  alive: (program: SavedProgram) => boolean,
  way: { overlapping: boolean; name: string },
): Verdict {
  const { phase } = facts
  const live = facts.live && alive(facts.live) ? facts.live : undefined
  const candidate = facts.candidate && alive(facts.candidate) ? facts.candidate : undefined
  const underWay = !['idle', 'committed', 'aborted', 'reverted', 'stuck'].includes(phase)
  if (!underWay) return { live, old: undefined, end: undefined }
  // Such a program waits for a word that only the one who started it can give.
  const cannotFinish = way.name === 'handover' && phase === 'switching'
  if (switched.includes(phase) && candidate && !cannotFinish)
    return { live: candidate, old: live?.id === candidate.id ? undefined : live, end: 'finished' }
  const back = phase === 'reverting' && candidate && isSameRelease(candidate.release, facts.from)
  if (back) return { live: candidate, old: undefined, end: 'undone' }
  // Where the old one had to go first, the new one is all there is.
  const only = !way.overlapping && live === undefined ? candidate : live
  return { live: only, old: undefined, end: only !== undefined && only === candidate ? 'finished' : 'undone' }
}

/** Begins the service: takes over what runs, finishes or undoes what was under way, and starts what is lacking. */
export async function recover(supervisor: Supervisor, cwd: string): Promise<void> {
  const { settings, way, programs, journal, events, observer } = supervisor.parts
  const { facts } = journal
  const mark = fingerprint(settings, cwd)
  const external = settings.command.length === 0
  const found = await programs.find(facts.keeper)
  const same = facts.settings === mark
  const verdict = judge(facts, isAlive, way)
  let program: Program | undefined
  if (found && facts.live && !same) {
    observer.info('the settings have changed: the program that runs is replaced')
    if (verdict.live) {
      const before = programs.adopt(verdict.live)
      programs.attend()
      await before.stop(settings.grace)
    }
  }
  if (found && same && verdict.live) program = programs.adopt(verdict.live)
  const old = program && verdict.old && programs.adopt(verdict.old)
  await programs.killOthers([program, old].flatMap((one) => (one ? [one.id] : [])))
  if (!found || !same) {
    programs.dismiss()
    const keeper = external
      ? undefined
      : await programs.open(settings.via === 'socket' ? settings.listen : undefined)
    journal.note({ keeper, settings: mark })
  }
  if (external && facts.live) program = new External(facts.live.release)
  await settle(supervisor, verdict.end, facts.from, facts.to)
  journal.note({ phase: 'idle', live: program?.saved, candidate: undefined, from: undefined, to: undefined })
  programs.attend()
  if (program !== undefined) {
    await supervisor.takeOver(program)
    events.tell('taken over', { version: program.release.version, pid: program.pid })
    supervisor.note(facts.frozen === true ? 'FREEZE' : 'OK', undefined)
  }
  if (old !== undefined) void way.drain(old, supervisor.signal).catch(() => undefined)
  void begin(supervisor, facts)
}

async function settle(
  supervisor: Supervisor,
  end: Verdict['end'],
  from: Release | undefined,
  to: Release | undefined,
): Promise<void> {
  if (end === undefined || to === undefined) return
  const { journal, events, settings, observer } = supervisor.parts
  // It had failed: what was begun is brought to its end.
  if (journal.facts.phase === 'reverting')
    await takeBack(settings.target, to.digest, from?.slot, { observer }).catch((error: unknown) => {
      observer.warn(
        `${settings.target} stays ${to.version}: ${error instanceof Error ? error.message : String(error)}`,
      )
    })
  const reason = 'the supervisor was killed meanwhile'
  const state = end === 'finished' ? 'committed' : 'aborted'
  const entry = { event: end, from: from?.version ?? 'nothing', to: to.version, state, reason }
  if (end === 'finished' && from !== undefined && !isSameRelease(from, to))
    journal.note({ previous: from, committed: formatTime(new Date()) })
  journal.add({ time: formatTime(new Date()), ...entry })
  events.tell(end, entry)
}

/** Starts what stands at the target, where it does not run yet. */
async function begin(supervisor: Supervisor, { frozen }: Readonly<Facts>): Promise<void> {
  const { settings, observer } = supervisor.parts
  try {
    if (supervisor.live) {
      const there = await readRelease(settings.target)
      if (there && !isSameRelease(there, supervisor.release) && frozen !== true)
        await supervisor.activate(undefined)
      return
    }
    await supervisor.exclusively(async () => {
      const release = await readRelease(settings.target)
      if (release === undefined) supervisor.note('BROKEN', `there is nothing at ${settings.target} yet`)
      else if (!supervisor.live) await supervisor.switchTo(release, { event: 'started', punish: false })
    })
  } catch (error) {
    if (!supervisor.stopping) observer.error(error instanceof Error ? error.message : String(error))
  }
}
