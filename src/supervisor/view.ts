import { isFailure } from '../package/record.ts'
import { GupperError, isErrorCode } from '../errors.ts'
import type { ServiceCounts, ServiceView } from '../web/service-view.ts'
import type { Activated } from './events.ts'
import type { Operations } from './operations.ts'
import { describeService, readTail } from './status.ts'
import type { Supervisor } from './supervisor.ts'

/** The service as its page sees it. */
export function createView(supervisor: Supervisor, operations: Operations, log: string): ServiceView {
  const { journal, events, way } = supervisor.parts
  const counts: ServiceCounts = { switches: {}, durations: [], lost: 0, restarts: 0 }
  events.onChange(({ history }) => {
    if (history?.state === undefined || history.event === 'started' || history.event === 'restarted') return
    counts.switches[history.state] = (counts.switches[history.state] ?? 0) + 1
    counts.durations.push((history.took_ms ?? 0) / 1000)
  })
  return {
    status: () => describeService(supervisor),
    history: (count) => journal.history(count),
    logTail: (count) => readTail(log, count),
    counts: () => ({ ...counts, restarts: supervisor.reviver.total, lost: way.counts?.().lost ?? 0 }),
    onChange: (listener) =>
      events.onChange((change) => {
        if (change.line || change.history) listener(change)
        if (!change.line)
          describeService(supervisor).then(
            (status) => listener({ status }),
            () => undefined,
          )
      }),
    async act(action, version) {
      switch (action) {
        case 'freeze':
          operations.freeze()
          return 'frozen: it follows its source no more'
        case 'unfreeze':
          operations.unfreeze()
          return 'it follows its source again'
        case 'rollback':
          return describe(await operations.rollback(version))
        case 'restart':
          return describe(await operations.restart())
        case 'upgrade':
          return describe(await operations.activate())
        case 'check':
          return check(operations)
      }
    },
  }
}

async function check(operations: Operations): Promise<string> {
  let said = 'nothing new'
  for await (const item of operations.check()) {
    if (isFailure(item)) {
      const { code, message, hint } = item.error
      throw new GupperError(isErrorCode(code) ? code : 'bug', message, hint === undefined ? {} : { hint })
    }
    if (item.activated !== undefined) said = describe(item.activated as Activated)
  }
  return said
}

function describe({ from, to, took_ms, state }: Activated): string {
  if (state === 'unchanged') return `${to} is live already`
  return `${from === undefined || from === to ? to : `${from} → ${to}`}: ${state} in ${took_ms} ms`
}
