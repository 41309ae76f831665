import { GupperError } from '../errors.ts'
import { parseDigest } from './digest.ts'
import { isSafeName } from './filename.ts'
import { isRollout, type Rollout } from './rollout.ts'
import { isTime } from './time.ts'
import { parseVersion } from './version.ts'

/** What has been proven of a package's bytes, and by whom. */
export interface Proof {
  by: string
  [more: string]: unknown
}

/** What `install` did. */
export interface Installed {
  path: string
  changed: boolean
  previous?: string
  [more: string]: unknown
}

/** One package: a line of JSON, and enough for every later step. Unknown fields pass through untouched. */
export interface PackageRecord {
  schema: 1
  name: string
  version: string
  os: string
  arch: string
  file: string
  url?: string
  source?: string
  size?: number
  digest?: string
  published?: string
  channel?: string
  /** What its publisher says of this release to people. */
  notes?: string
  /** A release that must not wait for its rollout. */
  critical?: boolean
  /** Only for those who have at least this version installed, or nothing; older ones step through an older release. */
  floor?: string
  rollout?: Rollout
  /** Where the same bytes can be fetched from when `url` fails. */
  mirrors?: readonly string[]
  /** Where the bytes are; `fetch` and `pack` add it. */
  path?: string
  proofs?: Proof[]
  installed?: Installed
  /** Marks a record of a stream that does not end (`watch`): later steps act on it at once. */
  watched?: { at: string; [more: string]: unknown }
  [more: string]: unknown
}

/** A failure that travels down the pipe in place of a record. */
export interface Failure {
  error: {
    step: string
    /** A code of the table in errors.ts, or of a later gupper's. */
    code: string
    exit: number
    message: string
    hint?: string
    record?: unknown
    [more: string]: unknown
  }
  [more: string]: unknown
}

/** What flows between two steps. */
export type Item = PackageRecord | Failure

/** Whether an item is a failure that is passed on, not acted on. */
export function isFailure(item: Item): item is Failure {
  return 'error' in item
}

/**
 * Makes the failure record of anything thrown.
 * @param step the verb that failed
 * @param thrown a GupperError; anything else becomes `bug`, 70
 * @param record what it failed on, if anything
 */
export function toFailure(step: string, thrown: unknown, record?: unknown): Failure {
  const error =
    thrown instanceof GupperError
      ? thrown
      : new GupperError('bug', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown })
  return {
    error: {
      step,
      code: error.code,
      exit: error.exit,
      message: error.message,
      ...(error.hint && { hint: error.hint }),
      ...(record !== undefined && { record }),
    },
  }
}

type Check = (value: unknown) => string | undefined

const text: Check = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'must be a non-empty string'
const name: Check = (value) =>
  typeof value === 'string' && isSafeName(value)
    ? undefined
    : 'must be a name without slashes or control characters'
const object: Check = (value) =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? undefined : 'must be an object'
const version: Check = (value) =>
  typeof value === 'string' && parseVersion(value) === value
    ? undefined
    : 'must be a semantic version like 1.2.3'
const digest: Check = (value) =>
  typeof value === 'string' && parseDigest(value) ? undefined : 'must be "sha256:" and 64 hexadecimal digits'
const size: Check = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number of bytes'
const time: Check = (value) => (isTime(value) ? undefined : 'must be a time like 2026-11-20T10:00:00Z')
const plain: Check = (value) => (typeof value === 'string' ? undefined : 'must be a string')
const flag: Check = (value) => (typeof value === 'boolean' ? undefined : 'must be true or false')
const rollout: Check = (value) =>
  isRollout(value)
    ? undefined
    : 'must be {"start": …, "rate": "10%/h"} or {"waves": [{"at": …, "percent": …}]}'
const texts: Check = (value) =>
  Array.isArray(value) && value.every((one) => !text(one)) ? undefined : 'must be a list of non-empty strings'
const proofs: Check = (value) =>
  Array.isArray(value) && value.every((proof) => !object(proof) && !text((proof as Proof).by))
    ? undefined
    : 'must be a list of {"by": …}'
const installed: Check = (value) =>
  object(value) ??
  text((value as Installed).path) ??
  (typeof (value as Installed).changed === 'boolean' ? undefined : 'must say whether something changed')
const watched: Check = (value) => object(value) ?? time((value as { at: unknown }).at)

const required: Record<string, Check> = {
  schema: (value) =>
    value === 1 ? undefined : 'must be 1 (a newer gupper may have written this record: update gupper)',
  name,
  version,
  os: name,
  arch: name,
  file: name,
}
const optional: Record<string, Check> = {
  url: text,
  source: text,
  size,
  digest,
  published: time,
  channel: text,
  notes: plain,
  critical: flag,
  floor: version,
  rollout,
  mirrors: texts,
  path: text,
  proofs,
  installed,
  watched,
}

/**
 * Says whether a value is a record or a travelling failure, in the terms of `record.schema.json`.
 * @param value anything JSON.parse returned
 * @returns the same value, typed
 * @throws GupperError `bad-record` (65) naming the field that is missing or wrong
 */
export function parseItem(value: unknown): Item {
  if (object(value) !== undefined) throw new GupperError('bad-record', 'not a JSON object')
  const item = value as Record<string, unknown>
  if ('error' in item) return parseFailure(item)
  for (const [field, check] of Object.entries(required)) {
    if (item[field] === undefined) throw new GupperError('bad-record', `field "${field}" is missing`)
    complain(field, check(item[field]))
  }
  for (const [field, check] of Object.entries(optional)) {
    if (item[field] !== undefined) complain(field, check(item[field]))
  }
  return item as unknown as PackageRecord
}

function complain(field: string, complaint: string | undefined): void {
  if (complaint !== undefined) throw new GupperError('bad-record', `field "${field}" ${complaint}`)
}

function parseFailure(item: Record<string, unknown>): Failure {
  complain('error', object(item.error))
  const { step, code, exit, message } = item.error as Record<string, unknown>
  complain('error.step', text(step))
  complain('error.message', text(message))
  complain('error.code', text(code))
  const status = Number.isInteger(exit) && (exit as number) >= 1 && (exit as number) <= 255
  if (!status) throw new GupperError('bad-record', 'field "error.exit" must be a status from 1 to 255')
  return item as unknown as Failure
}
