import { formatAddress } from '../net/listening.ts'
import { readLog } from '../logs/reader.ts'
import type { LogLine } from '../logs/log.ts'
import type { ServiceStatus } from '../web/service-view.ts'
import type { Facts } from './journal.ts'
import { isSameRelease, nothingInstalled, readRelease } from './release.ts'
import type { Supervisor } from './supervisor.ts'

/** Says how a service is. DIFF is what nobody notes: what stands at the target is not what runs, or nothing does. */
export async function describeService(supervisor: Supervisor): Promise<ServiceStatus> {
  const { parts, live, release, reviver } = supervisor
  const { settings, way, journal, programs } = parts
  const { facts } = journal
  const complaint = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
  const there = await readRelease(settings.target).then(
    (found) => found ?? nothingInstalled(settings.target),
    complaint,
  )
  const unseen = there instanceof Error
  const differs = release !== undefined && (unseen || !isSameRelease(there, release))
  const listen = programs.listen ?? settings.listen
  const url = way.url?.() ?? (listen && formatAddress(listen))
  return {
    ...describeFacts(settings.name, facts),
    ...(facts.state === 'OK' &&
      differs &&
      facts.phase !== 'staged' &&
      !isUnderWay(facts) && { state: 'DIFF' }),
    to: settings.target,
    way: way.name,
    ...(url !== undefined && { listen: url }),
    ...(settings.sources.length > 0 && { source: [...settings.sources] }),
    ...(live && live.pid > 0 && { pid: live.pid }),
    ...(live && { version: live.release.version, since: live.since }),
    ...(live?.release.digest !== undefined && { digest: live.release.digest }),
    ...(differs && (unseen ? { reason: facts.reason ?? there.message } : { target: there.version })),
    restarts: reviver.restarts,
  }
}

/** Whether a hand-over is under way. */
export function isUnderWay({ phase }: Readonly<Facts>): boolean {
  return !['idle', 'committed', 'aborted', 'reverted', 'stuck'].includes(phase)
}

/** What is written down of a service, whether it is supervised or not. */
export function describeFacts(service: string, facts: Readonly<Facts>): ServiceStatus {
  const { state, phase, live, candidate, reason, to } = facts
  const version = candidate?.release.version ?? to?.version
  return {
    service,
    state,
    phase,
    ...(live && {
      version: live.release.version,
      digest: live.release.digest,
      pid: live.pid,
      since: live.since,
    }),
    ...(isUnderWay(facts) &&
      version !== undefined && {
        candidate: { version, digest: (candidate?.release ?? to)?.digest, pid: candidate?.pid },
      }),
    ...(reason !== undefined && { reason }),
    to: '',
    way: '',
    restarts: 0,
  } as ServiceStatus
}

/** The last lines of a service's log. */
export async function readTail(directory: string, lines: number): Promise<LogLine[]> {
  const tail: LogLine[] = []
  for await (const line of readLog(directory, { lines })) tail.push(line)
  return tail
}
