import { createHash } from 'node:crypto'
import { identitiesOf } from './threshold.ts'
import type { Root } from './model.ts'

/** The highest versions that were ever trusted, kept apart from the metadata, so that an older copy of it is noticed. */
export interface Marks {
  root: number
  timestamp: number
  snapshot: number
  /** The targets roles by the name of their file. */
  roles: Record<string, number>
  /** Which keys signed what set the marks: see {@link withoutRotated}. */
  signers: Record<Forwardable, string[]>
  /** The root with which what was marked before was forgotten. */
  since: number
  /** The roots that were trusted one after the other, each by its {@link idOf}: any of them stands for this repository. */
  roots: string[]
}

/** What a root is known by: the beginning of its SHA-256. */
export function idOf(root: Uint8Array): string {
  return createHash('sha256').update(root).digest('hex').slice(0, 16)
}

/** Notes down that a root was trusted. */
export function withRoot(marks: Marks, root: Uint8Array): Marks {
  return { ...marks, roots: [...new Set([...marks.roots, idOf(root)])] }
}

/** The roles of online keys: whoever steals them can say enormous versions. */
export const forwardable = ['timestamp', 'snapshot'] as const
export type Forwardable = (typeof forwardable)[number]

/** Where nothing was trusted yet. */
export function noMarks(): Marks {
  const signers = { timestamp: [], snapshot: [] }
  return { root: 0, timestamp: 0, snapshot: 0, roles: {}, signers, since: 0, roots: [] }
}

/**
 * Forgets the marks once a root has taken their signers' keys back: whoever stole them may have said enormous versions,
 * and that must be recovered from (fast-forward attack; TUF 1.0.34, section 5.3.11). While those who signed could still do
 * so the marks stand, or each key that is merely added would let older versions be said again.
 */
export function withoutRotated(marks: Marks, root: Root): Marks {
  const standing = forwardable.every((role) => {
    const signers = marks.signers[role]
    if (signers.length === 0) return true
    const now = identitiesOf(root.roles[role].keyids, root.keys)
    return signers.filter((signer) => now.has(signer)).length >= root.roles[role].threshold
  })
  const { root: newest, roots } = marks
  return standing ? marks : { ...noMarks(), root: newest, since: root.version, roots }
}

/** The higher of two marks in each place; nothing of those that were forgotten since. */
export function highest(a: Marks, b: Marks): Marks {
  const root = Math.max(a.root, b.root)
  const roots = [...new Set([...a.roots, ...b.roots])]
  if (a.since !== b.since) return { ...(a.since > b.since ? a : b), root, roots }
  const roles = new Map(Object.entries(a.roles))
  for (const [name, version] of Object.entries(b.roles))
    roles.set(name, Math.max(version, roles.get(name) ?? 0))
  const later = (role: Forwardable): Marks => (a[role] >= b[role] ? a : b)
  return {
    root,
    timestamp: later('timestamp').timestamp,
    snapshot: later('snapshot').snapshot,
    roles: Object.fromEntries(roles),
    signers: {
      timestamp: later('timestamp').signers.timestamp,
      snapshot: later('snapshot').signers.snapshot,
    },
    since: a.since,
    roots,
  }
}

/**
 * Reads marks as they were kept.
 * @param value what JSON.parse gave
 * @returns undefined where it is no such thing: a mark that is no number would compare with nothing
 */
export function readMarks(value: unknown): Marks | undefined {
  if (!isObject(value)) return undefined
  const marks = { ...noMarks(), ...value }
  const { root, timestamp, snapshot, since, roles, signers, roots } = marks as Record<keyof Marks, unknown>
  const holds =
    [root, timestamp, snapshot, since].every(isVersion) &&
    isObject(roles) &&
    Object.values(roles).every(isVersion) &&
    isObject(signers) &&
    [roots, ...forwardable.map((role) => signers[role])].every(isWords)
  return holds ? marks : undefined
}

function isVersion(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isWords(value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
