import type { Release, Stage, Way } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import type { Observer } from '../package/observer.ts'
import type { Check } from '../readiness/check.ts'
import type { Program } from './programs/program.ts'
import type { Settings } from './settings.ts'

/** What the ways need beside the stage. */
export interface WayOptions {
  settings: Settings
  check: Check | undefined
  observer: Observer
  /** A program that is none of ours. */
  external: (release: Release) => Program
}

/** The ways of going live, as `--via` takes them. */
export const wayNames = [
  'socket',
  'proxy',
  'reuseport',
  'handover',
  'restart',
  'signal:NAME',
  'exec:CMD',
] as const

/**
 * Opens the way that `--via` names.
 * @throws GupperError `usage` (64) for one that does not exist, or that lacks what it needs
 */
export async function openWay(stage: Stage<Program>, options: WayOptions): Promise<Way<Program>> {
  const { settings, check } = options
  const way = await create(stage, options)
  if (settings.command.length === 0 && !settings.via.startsWith('exec:'))
    throw new GupperError('usage', 'no command is given', {
      hint: 'e.g.: gupper run --to ./app -- ./app --serve',
    })
  if (['socket', 'proxy', 'handover'].includes(way.name) && settings.listen === undefined)
    throw new GupperError('usage', `--via ${way.name} needs an address`, { hint: 'e.g.: --listen 8080' })
  if (settings.listen === undefined && check !== undefined && /^(?:tcp$|http:)/.test(check.text))
    throw new GupperError('usage', `--ready ${check.text} asks at an address, and none is given`, {
      hint: 'give one with --listen, or use another check, such as fd, notify or log:REGEX',
    })
  if (way.name === 'socket' && check?.text === 'fd:3')
    throw new GupperError('usage', '--ready fd:3: with --via socket that is the listening socket', {
      hint: 'use --ready fd, which is 4',
    })
  if (way.shared && check?.ambiguous === true)
    throw new GupperError('usage', `--ready ${check.text}: the old program answers at this address too`, {
      hint: 'let the answer tell the version, as in --ready http:/version={version}, or use fd, notify or log:REGEX',
    })
  return way
}

async function create(stage: Stage<Program>, options: WayOptions): Promise<Way<Program>> {
  const { settings, observer } = options
  const { via } = settings
  const colon = via.indexOf(':')
  const kind = colon < 0 ? via : via.slice(0, colon)
  const word = colon < 0 ? '' : via.slice(colon + 1)
  switch (kind) {
    case 'socket':
      return (await import('../activations/socket.ts')).createSocket(stage)
    case 'reuseport':
      return (await import('../activations/socket.ts')).createReuseport(stage)
    case 'proxy':
      return (await import('../activations/proxy.ts')).createProxy(stage, { hold: settings.hold, observer })
    case 'handover':
      return (await import('../activations/handover.ts')).createHandover(stage)
    case 'restart':
      return (await import('../activations/restart.ts')).createRestart(stage)
    case 'signal': {
      const { createSignal, parseSignal } = await import('../activations/signal.ts')
      return createSignal(stage, parseSignal(word))
    }
    case 'exec': {
      if (word === '') break
      const { createCommand } = await import('../activations/signal.ts')
      const external = settings.command.length === 0 ? options.external : undefined
      return createCommand(stage, word, { deadline: settings.progress, external })
    }
  }
  throw new GupperError('usage', `there is no way of going live "${via}"`, {
    hint: `--via takes ${wayNames.join(', ')}`,
  })
}
