import type { Columns } from '../terminal/table.ts'

function text(value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '-'
}

/** What `run` shows of what happens. */
export const eventColumns: Columns = {
  TIME: ({ time }) => text(time),
  EVENT: ({ event, phase }) => text(phase ?? event),
  VERSION: ({ version, from, to }) =>
    text(version ?? (from === undefined || from === to ? to : `${text(from)} → ${text(to)}`)),
  PID: ({ pid }) => text(pid),
  STATE: ({ state, signal, status }) => text(state ?? signal ?? status),
  WHY: ({ reason }) => (reason === undefined ? '' : text(reason)),
}

/** What `status` shows. */
export const statusColumns: Columns = {
  SERVICE: ({ service }) => text(service),
  STATE: ({ state }) => text(state),
  VERSION: ({ version, candidate }) =>
    text(version) +
    (candidate === undefined ? '' : ` → ${text((candidate as { version?: string }).version)}`),
  PHASE: ({ phase }) => text(phase),
  PID: ({ pid }) => text(pid),
  SINCE: ({ since }) => text(since),
  RESTARTS: ({ restarts }) => text(restarts),
  WAY: ({ way }) => text(way),
  LISTEN: ({ listen }) => text(listen),
  WHY: ({ service, state, reason, target }) => {
    if (reason !== undefined) return text(reason)
    if (target === undefined) return ''
    const way = state === 'DIFF' ? `: gupper activate --installed ${text(service)}` : ''
    return `${text(target)} is installed${way}`
  },
}

/** What `status --history` shows. */
export const historyColumns: Columns = {
  TIME: ({ time }) => text(time),
  EVENT: ({ event }) => text(event),
  FROM: ({ from }) => text(from),
  TO: ({ to }) => text(to),
  STATE: ({ state }) => text(state),
  TOOK: ({ took_ms }) => (took_ms === undefined ? '-' : `${text(took_ms)} ms`),
  LOST: ({ lost }) => text(lost),
  WHY: ({ reason }) => (reason === undefined ? '' : text(reason)),
}

/** What the verbs that make a version live show. */
export const activatedColumns: Columns = {
  SERVICE: (value) => text(activated(value).service),
  FROM: (value) => text(activated(value).from),
  TO: (value) => text(activated(value).to),
  STATE: (value) => text(activated(value).state),
  TOOK: (value) => `${text(activated(value).took_ms)} ms`,
  'IN FLIGHT': (value) => text(activated(value).in_flight),
  HELD: (value) => text(activated(value).held),
  CUT: (value) => text(activated(value).cut),
  LOST: (value) => text(activated(value).lost),
}

function activated(value: Record<string, unknown>): Record<string, unknown> {
  return (value.activated ?? value) as Record<string, unknown>
}
