import { tidyText } from './log-text.ts'
import type { ServiceStatus } from './service-view.ts'

const longest = 200

/**
 * Whether a service does its work, for load balancers and monitors.
 * @returns the status to answer with, 200 or 503, and a line that says why
 */
export function healthOf(status: ServiceStatus): { status: 200 | 503; text: string } {
  const { state, phase, reason } = status
  const because = reason === undefined ? '' : `: ${tidyText(reason).slice(0, longest)}`
  if (phase === 'stuck') return { status: 503, text: `stuck${because}` }
  if (state === 'BROKEN') return { status: 503, text: `${state}${because}` }
  if (!runs(status)) return { status: 503, text: `nothing runs${because}` }
  return { status: 200, text: state }
}

// What a signal or a command of the user's makes new was started by somebody else: its pid may be unknown.
function runs({ pid, version, way }: ServiceStatus): boolean {
  return pid !== undefined || (version !== undefined && /^(?:signal|exec)\b/.test(way))
}
