import { setTimeout as delay } from 'node:timers/promises'
import { GupperError } from '../errors.ts'
import type { Drained, Release, Way } from '../activations/activation.ts'
import type { Phase } from '../web/service-view.ts'
import { describeEnd, type Program } from './programs/program.ts'

/** What a hand-over came to. */
export interface HandOverResult extends Drained {
  state: 'committed' | 'aborted' | 'reverted' | 'stuck'
  /** Who answers now. */
  live: Program | undefined
  /** The program that was started, and why it did not stay. */
  to: Program | undefined
  error?: unknown
  /** ms from the decision until all that is new goes to the new one. */
  switched_ms?: number
  held: number | null
  retried: number | null
}

/** What a hand-over needs of the supervisor. */
export interface HandOverContext {
  way: Way<Program>
  /** Writes a phase down before it is entered. */
  enter: (phase: Phase) => void
  /** Waits until a program is ready. */
  ready(program: Program, signal: AbortSignal): Promise<void>
  /** Says whether it still is, or why not; at a shared address that may take until the signal's deadline. */
  again(program: Program, signal: AbortSignal): Promise<string | undefined>
  /** The target is what it was before, and where the build is at fault it is remembered as bad. */
  takeBack: (error: unknown) => Promise<void>
  /** Kills a program and what it has started. */
  kill(program: Program): Promise<void>
  /** Is told who gets what comes from now on. */
  routed: (program: Program) => void
  times: { readyWithin: number; healthyFor: number; progress: number }
  /** Aborted when the supervisor ends. */
  signal: AbortSignal
  /** Aborted, with the error that it is to come to, when people want to go back before it is done. */
  undone: AbortSignal
  /** A program that was told to end takes its time while something else is done. */
  leave: (end: Promise<unknown>) => void
}

const unknown: Drained = { in_flight: null, cut: null, lost: null }

/**
 * Replaces one program by another: starting → probing → proving → switching → draining → committed. What fails before the
 * switch is aborted, where the old one was not touched; what fails later is reverted.
 * @param release what shall go live
 * @param from the program that runs, if one does
 * @param before the release to go back to; undefined where there is none
 */
export async function handOver(
  context: HandOverContext,
  release: Release,
  from: Program | undefined,
  before: Release | undefined,
): Promise<HandOverResult> {
  const { way, enter, times, signal, undone } = context
  const began = performance.now()
  const counted = way.counts?.()
  let to: Program | undefined
  let touched = false
  let drained = unknown
  let switched: number | undefined
  const count = (): Pick<HandOverResult, 'held' | 'retried'> & Partial<Drained> => {
    const now = way.counts?.()
    if (counted === undefined || now === undefined) return { held: null, retried: null }
    return {
      held: now.held - counted.held,
      retried: now.retried - counted.retried,
      lost: now.lost - counted.lost,
    }
  }
  try {
    undone.throwIfAborted()
    enter('starting')
    touched = !way.overlapping
    to = await way.start(release, from)
    const over = AbortSignal.any([AbortSignal.timeout(times.progress), signal, undone])
    enter('probing')
    await beReady(context, to, over)
    enter('proving')
    await stayReady(context, to, over)
    undone.throwIfAborted()
    enter('switching')
    touched = true
    await way.switch(to, from)
    context.routed(to)
    // Only now it answers at its address.
    if (way.probe) {
      const inTime = AbortSignal.any([AbortSignal.timeout(times.readyWithin), signal, undone])
      await orDies(to, context.ready(to, inTime))
    }
    switched = performance.now() - began
    enter('draining')
    const ended = { to, switched_ms: Math.round(switched) }
    if (from !== undefined && from !== to && from.end === undefined) {
      const past = await drain(context, from, to)
      drained = past.drained
      if (past.back)
        return { ...drained, ...count(), ...ended, state: 'reverted', live: from, error: undone.reason }
    }
    return { ...unknown, ...drained, ...count(), ...ended, state: 'committed', live: to }
  } catch (thrown) {
    const error: unknown = undone.aborted && !signal.aborted ? undone.reason : explainEnd(thrown, signal)
    const failed = { ...unknown, ...drained, ...count(), to, error }
    if (signal.aborted) {
      if (to !== undefined && to !== from && !touched) await context.kill(to)
      return { ...failed, state: 'aborted', live: touched ? to : from }
    }
    if (touched && (before !== undefined || to?.end === undefined))
      return { ...failed, ...(await revert(context, { to, from, before, why: error })), error, ...count() }
    if (to !== undefined && to !== from) await context.kill(to)
    await context.takeBack(error)
    return { ...failed, state: 'aborted', live: from }
  }
}

/**
 * Lets the old program finish. Whoever wants to go back meanwhile need not wait for that: where the old one was not told to end yet
 * it answers again, at once, and it is the new one that finishes; else it is left to its end.
 */
async function drain(
  { way, undone, enter, leave, routed, takeBack }: HandOverContext,
  from: Program,
  to: Program,
): Promise<{ drained: Drained; back: boolean }> {
  const draining = new AbortController()
  const asked = new Promise<undefined>((resolve) => {
    undone.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const finished = undone.aborted ? undefined : way.drain(from, draining.signal)
  try {
    const drained = finished && (await orDies(to, Promise.race([finished, asked])))
    if (drained) return { drained, back: false }
    if (finished && (from.stopping || from.end !== undefined)) {
      leave(finished)
      return { drained: unknown, back: false }
    }
    enter('reverting')
    await way.switch(from, undefined)
    routed(from)
    draining.abort(new Error('reverted'))
    await takeBack(undone.reason)
    return { drained: await orDies(from, way.drain(to, new AbortController().signal)), back: true }
  } finally {
    finished?.catch(() => undefined)
    draining.abort(new Error('reverted'))
  }
}

async function beReady(context: HandOverContext, program: Program, signal: AbortSignal): Promise<void> {
  const { way, times } = context
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(times.readyWithin)])
  await orDies(program, way.probe ? way.probe(program, inTime) : Promise.resolve())
  // Such a program answers at its address only after the switch.
  if (!way.probe) await orDies(program, context.ready(program, inTime))
}

/** The least time that it has to be healthy for, and at its end it is asked once more. */
async function stayReady(context: HandOverContext, program: Program, signal: AbortSignal): Promise<void> {
  const { healthyFor, readyWithin } = context.times
  if (healthyFor === 0) return
  await orDies(program, delay(healthyFor, undefined, { signal }))
  if (context.way.probe) return
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(readyWithin)])
  const reason = await orDies(program, context.again(program, inTime))
  if (reason !== undefined) throw new GupperError('not-ready', `it was ready, and is no more: ${reason}`)
}

/** Waits for something as long as a program lives. */
async function orDies<T>(program: Program, work: Promise<T>): Promise<T> {
  // First the end: of one that has ended already, nothing is left to wait for, and that looks like success.
  const died = program.ended.then((end): never => {
    throw new GupperError('not-ready', `it ${describeEnd(end)}`)
  })
  if (program.end !== undefined) {
    work.catch(() => undefined)
    await died
  }
  return Promise.race([work, died])
}

interface Undo {
  to: Program | undefined
  from: Program | undefined
  before: Release | undefined
  why: unknown
}

/** Makes what ran before answer again: the old program where it still runs, else a new one of its release. */
async function revert(
  context: HandOverContext,
  { to, from, before, why }: Undo,
): Promise<Pick<HandOverResult, 'state' | 'live'>> {
  const { way, enter, times, signal } = context
  try {
    enter('reverting')
    await context.takeBack(why)
    if (before === undefined) throw new GupperError('stuck', 'there is no version to go back to')
    const alive = from !== undefined && from.end === undefined && !from.stopping
    let back: Program
    const program = to ?? from
    if (way.inPlace && program !== undefined && program.end === undefined)
      back = await way.start(before, program)
    else if (alive && from !== to) back = from
    else {
      way.hold?.('it is being taken back')
      if (to !== undefined) await context.kill(to)
      back = await way.start(before, undefined)
    }
    if (back !== from || way.inPlace) {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(times.readyWithin)])
      await orDies(back, context.ready(back, inTime))
    }
    await way.switch(back, undefined)
    context.routed(back)
    if (to !== undefined && to !== back) await context.kill(to)
    return { state: 'reverted', live: back }
  } catch (error) {
    const live = [to, from].find((program) => program?.end === undefined && program?.stopping === false)
    return { state: 'stuck', live, ...(error instanceof Error && { reason: error.message }) }
  }
}

/** The end of the service, or the progress deadline, ends whatever waits, which then tells of no more than that. */
function explainEnd(thrown: unknown, { aborted }: AbortSignal): unknown {
  if (aborted) return new GupperError('not-running', 'the service was stopped meanwhile', { cause: thrown })
  const late = thrown instanceof Error && ['AbortError', 'TimeoutError'].includes(thrown.name)
  return late
    ? new GupperError('not-ready', 'it took longer than --progress allows', { cause: thrown })
    : thrown
}
