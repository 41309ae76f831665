import { GupperError, type ErrorCode } from '../errors.ts'
import type { HistoryEntry } from '../web/service-view.ts'
import type { Activated } from './events.ts'
import type { HandOverResult } from './hand-over.ts'
import type { Release } from '../activations/activation.ts'
import type { Update } from './update.ts'

/** A hand-over that failed, with what it came to. */
export class HandOverError extends GupperError {
  readonly activated: Activated

  constructor(
    code: ErrorCode,
    message: string,
    activated: Activated,
    options: { hint?: string; cause?: unknown },
  ) {
    super(code, message, options)
    this.activated = activated
  }
}

/** What a hand-over came to, as its record tells it. */
export function describeOutcome(
  result: HandOverResult,
  {
    service,
    way,
    from,
    to,
    began,
  }: { service: string; way: string; from: Release | undefined; to: Release; began: number },
): Activated {
  const { state, in_flight, held, retried, cut, lost, switched_ms, to: program } = result
  return {
    ...{ service, way, ...(from && { from: from.version }), to: to.version },
    took_ms: Math.round(performance.now() - began),
    ...(switched_ms !== undefined && { switched_ms }),
    ...{ in_flight, held, retried, cut, lost, state },
    ...(state !== 'committed' && { log: program?.lastLines() ?? [] }),
  }
}

/** What an activation says that had nothing to do. */
export function describeIdle(service: string, way: string, { version }: Pick<Release, 'version'>): Activated {
  const none = { in_flight: 0, held: 0, retried: 0, cut: 0, lost: 0 }
  return { service, way, from: version, to: version, took_ms: 0, ...none, state: 'unchanged' }
}

/**
 * What a rollback says that broke an update off: from that version where it was live already, else nothing was changed.
 * @param began when it was asked for, of performance.now()
 */
export function describeUndone(
  service: string,
  way: string,
  { activated }: Update,
  { version }: Release,
  began: number,
): Activated {
  const broken_off = activated?.to ?? 'unknown'
  if (activated?.state !== 'reverted') return { ...describeIdle(service, way, { version }), broken_off }
  const { log: _, to: from, switched_ms: __, ...rest } = activated
  const took_ms = Math.round(performance.now() - began)
  return { ...rest, from, to: version, took_ms, state: 'committed', broken_off }
}

/** What the log says of a hand-over. */
export function tellOutcome({ version }: Release, state: Activated['state'], reason = ''): string {
  return state === 'committed' ? `${version} is live` : `${version} was not made live (${state}): ${reason}`
}

/** A reason that names the version it is about. */
export function namedReason({ version }: Release, message: string): string {
  return message.includes(version) ? message : `${version}: ${message}`
}

/** The failure of a hand-over that the history tells of. */
export function explainEntry(service: string, { state, to = '', reason = '' }: HistoryEntry): GupperError {
  const code = state === 'aborted' ? 'not-ready' : 'reverted'
  return new GupperError(code, `${service} ${to} was not made live: ${reason}`)
}

const next = {
  'not-ready': 'the old version goes on',
  reverted: 'the old version runs again, and this build is held back until asked for with install --again',
  stuck: 'the old version was not found again',
}

/**
 * The failure of a hand-over, with the last that the program said.
 * @param alive whether anything answers now
 */
export function explainOutcome(activated: Activated, error: unknown, alive: boolean): GupperError {
  const { service, state, to, log = [] } = activated
  if (!(error instanceof GupperError))
    return new HandOverError('bug', `${service} ${to}: ${String(error)}`, activated, { cause: error })
  const { hint, message, code } = error
  if (!['not-ready', 'stuck'].includes(code))
    return new HandOverError(
      code,
      code === 'superseded' ? `${service} ${to}: ${message}` : message,
      activated,
      { hint, cause: error },
    )
  const kind = state === 'stuck' ? 'stuck' : state === 'reverted' ? 'reverted' : 'not-ready'
  const said = log.length === 0 ? '' : `; the last it said:\n${log.slice(-5).join('\n')}`
  return new HandOverError(kind, `${service} ${to} was not made live: ${message}${said}`, activated, {
    cause: error,
    hint: `${alive ? next[kind] : 'it is tried again'}; gupper logs ${service} shows all that it said`,
  })
}
