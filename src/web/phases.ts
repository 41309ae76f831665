import type { Phase, ServiceState } from './service-view.ts'

/** The way of a hand-over that goes well, in order. */
export const goodPhases = [
  'idle',
  'staged',
  'starting',
  'probing',
  'proving',
  'switching',
  'draining',
  'committed',
] as const satisfies readonly Phase[]

/** Where it goes otherwise. */
export const badPhases = ['aborted', 'reverting', 'reverted', 'stuck'] as const satisfies readonly Phase[]

export const states = [
  'OK',
  'FREEZE',
  'ROLLBACK',
  'BROKEN',
  'DIFF',
] as const satisfies readonly ServiceState[]

/**
 * Through which phases a hand-over went so far, the present one last.
 * @param trail what was known before; empty when nothing was
 */
export function extendTrail(trail: readonly Phase[], phase: Phase): Phase[] {
  if (trail.at(-1) === phase) return [...trail]
  if (phase === 'idle') return ['idle']
  if (trail.length === 0) {
    // Nobody has seen how it came here: on the good way there is only one.
    const at = goodPhases.findIndex((one) => one === phase)
    return at < 0 ? [phase] : goodPhases.slice(0, at + 1)
  }
  // What was passed before comes again: the next hand-over.
  return phase === 'staged' || trail.includes(phase) ? ['idle', phase] : [...trail, phase]
}
