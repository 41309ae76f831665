import type { Release } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import type { HandOverContext } from './hand-over.ts'
import type { Program } from './programs/program.ts'
import type { Supervisor } from './supervisor.ts'
import { tryTakeBack } from './try-take-back.ts'

/** What a hand-over is to be like. */
export interface ContextPlan extends Pick<HandOverContext, 'undone' | 'routed' | 'leave'> {
  release: Release
  /** What is gone back to. */
  before: Release | undefined
  /** Whether a build that fails is taken back from the target and remembered as bad. */
  punish: boolean
  /** Whether it goes on where its phases cannot be written down. */
  anyway: boolean
}

/** What a hand-over has of its supervisor. */
export function createContext(supervisor: Supervisor, plan: ContextPlan): HandOverContext {
  const { programs, way, settings, observer } = supervisor.parts
  const { release, before, undone, routed, leave } = plan
  const placeOf = (program: Program) => ({ address: way.addressOf(program), shared: way.shared })
  return {
    ...{ way, undone, routed, leave },
    times: settings,
    signal: supervisor.signal,
    enter: (phase) => {
      const anyway = plan.anyway || phase === 'draining' || phase === 'reverting'
      supervisor.notes.phase(phase, release.version, {}, { anyway })
    },
    ready: (program, signal) => programs.ready(program, placeOf(program), signal),
    again: (program, signal) => programs.again(program, placeOf(program), signal),
    kill: (program) => program.kill(),
    takeBack: async (error) => {
      if (!plan.punish) return
      // A full disk, or an address that is taken, is no fault of the build's: it may be tried again.
      const bad = undone.aborted || (error instanceof GupperError && error.code === 'not-ready')
      await tryTakeBack(settings.target, release, before, { observer, bad })
    },
  }
}
