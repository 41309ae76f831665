import { GupperError } from '../errors.ts'
import type { Answer, ControlRequest } from './control.ts'
import type { Operations } from './operations.ts'
import { demandRelease, isSameRelease } from './release.ts'
import { describeService } from './status.ts'
import type { Supervisor } from './supervisor.ts'

/** Answers what is asked on the control socket. */
export function createAnswers(supervisor: Supervisor, operations: Operations): Answer {
  return async function* answer(request: ControlRequest, gone: AbortSignal) {
    const { settings, journal } = supervisor.parts
    switch (request.verb) {
      case 'status':
        yield describeService(supervisor)
        return
      case 'history':
        for (const entry of journal.history(request.count ?? 20)) yield { service: settings.name, ...entry }
        return
      case 'activate':
        yield await activate(supervisor, operations, request)
        return
      case 'rollback':
        yield await operations.rollback(request.version, gone)
        return
      case 'restart':
        yield await operations.restart(gone)
        return
      case 'check':
        yield* operations.checkNow()
        return
      case 'freeze':
        operations.freeze()
        yield describeService(supervisor)
        return
      case 'unfreeze':
        operations.unfreeze()
        yield describeService(supervisor)
        return
      default:
        throw new GupperError('protocol', `there is no verb "${String(request.verb)}" on this socket`, {
          hint: 'this gupper and the one that runs the service are of different versions: start that one anew',
        })
    }
  }
}

async function activate(
  supervisor: Supervisor,
  operations: Operations,
  { digest, target, dryRun }: ControlRequest,
): Promise<object> {
  const { settings, way } = supervisor.parts
  if (target !== undefined && target !== settings.target)
    throw new GupperError('usage', `${settings.name} runs what is at ${settings.target}, not at ${target}`, {
      hint: `install to ${settings.target}`,
    })
  if (dryRun !== true) return operations.activate(digest)
  const release = await demandRelease(settings.target)
  const same = supervisor.live !== undefined && isSameRelease(release, supervisor.release)
  const nothing = { in_flight: null, held: null, retried: null, cut: null, lost: null }
  return {
    ...{ service: settings.name, way: way.name, from: supervisor.release?.version, to: release.version },
    ...{ took_ms: 0, ...nothing, state: same ? 'unchanged' : 'committed', dry_run: true },
  }
}
