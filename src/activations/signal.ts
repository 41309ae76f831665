import { constants } from 'node:os'
import { GupperError } from '../errors.ts'
import { runCheck } from '../store/probe.ts'
import { addressOf } from './address.ts'
import type { Release, Running, Stage, Way } from './activation.ts'

const nothing = { in_flight: null, cut: null, lost: null }

/**
 * Reads the name of a signal: "HUP", "SIGUSR2".
 * @throws GupperError `usage` (64)
 */
export function parseSignal(text: string): NodeJS.Signals {
  const name = `SIG${text.toUpperCase().replace(/^SIG/, '')}` as NodeJS.Signals
  if (name in constants.signals && name !== 'SIGKILL' && name !== 'SIGSTOP') return name
  throw new GupperError('usage', `there is no signal "${text}" for a program`, {
    hint: 'e.g.: --via signal:HUP',
  })
}

/** The program takes the new version up by itself when it gets a signal: nginx, HAProxy, and whatever reads files anew. */
export function createSignal<P extends Running>(stage: Stage<P>, signal: NodeJS.Signals): Way<P> {
  return {
    ...inPlace(stage),
    name: `signal:${signal.slice(3)}`,
    start: async (release, from) => {
      if (from === undefined || from.end !== undefined) return stage.start(release, { inPlace: true })
      if (!from.signal(signal))
        throw new GupperError('not-running', `${from.pid} is gone: nobody gets ${signal}`)
      from.release = release
      return from
    },
  }
}

/**
 * A command of the user's makes the new version live, such as `systemctl reload x`.
 * @param external the program, where it is not ours
 */
export function createCommand<P extends Running>(
  stage: Stage<P>,
  command: string,
  options: { deadline: number; external: ((release: Release) => P) | undefined },
): Way<P> {
  return {
    ...inPlace(stage),
    name: `exec:${command}`,
    start: async (release, from) => {
      if (options.external === undefined && (from === undefined || from.end !== undefined))
        return stage.start(release, { inPlace: true })
      const env = {
        ...stage.env,
        GUPPER_VERSION: release.version,
        ...(from && { GUPPER_FROM: from.release.version, GUPPER_PID: String(from.pid) }),
      }
      const { deadline, external } = options
      const { cwd, signal } = stage
      const result = await runCheck(command, { path: release.path, deadline, env, cwd, signal })
      if (!result.ok)
        throw new GupperError(
          'not-ready',
          `${command}: ${result.reason}${result.output && `: ${result.output}`}`,
        )
      if (from === undefined) return external?.(release) as P
      from.release = release
      return from
    },
  }
}

function inPlace<P extends Running>(stage: Stage<P>): Omit<Way<P>, 'name' | 'start'> {
  return {
    overlapping: false,
    inPlace: true,
    shared: false,
    addressOf: () => addressOf(stage.listen),
    switch: () => Promise.resolve(),
    drain: () => Promise.resolve(nothing),
  }
}
