import type { RoleKeys, Root } from './model.ts'

/** The highest versions that were ever trusted, kept apart from the metadata, so that an older copy of it is noticed. */
export interface Marks {
  root: number
  timestamp: number
  snapshot: number
  /** The targets roles by name. */
  roles: Record<string, number>
  /** Whose marks those of timestamp and snapshot are: see {@link withoutRotated}. */
  keys: { timestamp: string; snapshot: string }
}

/** Where nothing was trusted yet. */
export function noMarks(): Marks {
  return { root: 0, timestamp: 0, snapshot: 0, roles: {}, keys: { timestamp: '', snapshot: '' } }
}

const words = ({ keyids, threshold }: RoleKeys): string => [threshold, ...[...keyids].sort()].join(' ')

/** The keys that a root gives to the roles that can be fast-forwarded. */
export function keysOf({ roles }: Root): Marks['keys'] {
  return { timestamp: words(roles.timestamp), snapshot: words(roles.snapshot) }
}

/**
 * Forgets what was said by keys that were replaced since: whoever stole them may have said enormous versions, and that
 * must be recovered from (fast-forward attack; TUF 1.0.34, section 5.3.11).
 */
export function withoutRotated(marks: Marks, root: Root): Marks {
  const keys = keysOf(root)
  const before = marks.keys
  const known = before.timestamp !== ''
  if (!known || (keys.timestamp === before.timestamp && keys.snapshot === before.snapshot))
    return { ...marks, keys }
  return { ...noMarks(), root: marks.root, keys }
}

/** The higher of two marks in each place; of two sets of keys those of the newer root. */
export function highest(a: Marks, b: Marks): Marks {
  const [newer, older] = a.root >= b.root ? [a, b] : [b, a]
  const same = newer.keys.timestamp === older.keys.timestamp && newer.keys.snapshot === older.keys.snapshot
  if (!same && older.keys.timestamp !== '') return newer
  const roles = { ...older.roles }
  for (const [name, version] of Object.entries(newer.roles)) roles[name] = Math.max(version, roles[name] ?? 0)
  return {
    root: newer.root,
    timestamp: Math.max(a.timestamp, b.timestamp),
    snapshot: Math.max(a.snapshot, b.snapshot),
    roles,
    keys: newer.keys,
  }
}
