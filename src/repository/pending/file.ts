import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { GupperError, explaining } from '../../errors.ts'
import { writeDurably } from '../../store/durable.ts'
import { temporaryName } from '../../store/pack-leftovers.ts'
import { readRegular } from '../../store/read-regular.ts'
import { checkSignature } from '../../trust/tuf/key.ts'
import { parseMetadata } from '../../trust/tuf/metadata.ts'
import type { Envelope, Root, Targets } from '../../trust/tuf/model.ts'
import { signedBytes } from '../../trust/tuf/threshold.ts'
import { writeEnvelope } from '../envelope.ts'
import { contextOfRoot, type Context } from './context.ts'
import { shortId } from '../roles/key-change.ts'
import { lackOf, type Authority } from '../sign.ts'
import { quoted } from './quote.ts'

/** Metadata that waits for signatures, with all that its signers need. */
export interface Waiting extends Context {
  envelope: Envelope<Root> | Envelope<Targets>
}

/**
 * Reads a file of REPO/.gupper/pending/, wherever it was carried.
 * @throws GupperError `untrusted` (77) where it is none, or was changed after it was signed; `cannot-read` (69)
 */
export async function readPendingFile(path: string): Promise<Waiting> {
  const bytes = await explaining(`cannot read ${path}`, () => readRegular(path), true)
  const isRoot = /"_type":\s*"root"/.test(bytes.toString('utf8', 0, 4096)) || /(^|\.)root\.json$/.test(path)
  const { gupper, ...envelope } = parseMetadata(isRoot ? 'root' : 'targets', bytes, path) as Envelope<Root>
  const context = readContext(gupper, envelope, path)
  const waiting = { ...context, envelope: envelope as Envelope<Root> | Envelope<Targets> }
  refuseTampered(waiting, path)
  return waiting
}

// Whatever it says of who may sign counts for nothing when it is committed; the repository knows that itself.
function readContext(value: unknown, envelope: Envelope, path: string): Context {
  const { role, authorities, before } = (value ?? {}) as Partial<Context>
  if (envelope.signed._type === 'root') {
    const old = before && readBefore('root', before, path)
    return contextOfRoot(envelope as Envelope<Root>, old)
  }
  const list: unknown = authorities
  const holds =
    typeof role === 'string' &&
    Array.isArray(list) &&
    list.every(
      (one: { role?: Authority['role']; keys?: object | null } | null) =>
        Array.isArray(one?.role?.keyids) && typeof one.keys === 'object' && one.keys !== null,
    )
  if (!holds)
    throw new GupperError('untrusted', `${path} does not say who may sign it`, {
      hint: 'sign it in its repository: gupper trust sign REPO --keys DIR',
    })
  const old = before && readBefore('targets', before, path)
  return { role, authorities: authorities ?? [], ...(old && { before: old }) }
}

function readBefore<K extends 'root' | 'targets'>(kind: K, value: Envelope, path: string) {
  return parseMetadata(kind, writeEnvelope(value), `what ${path} says to replace`)
}

/**
 * Refuses metadata with a signature that does not hold: it was changed after somebody signed it.
 * @throws GupperError `untrusted` (77)
 */
export function refuseTampered({ envelope, authorities }: Waiting, what: string): void {
  const bytes = signedBytes(envelope)
  for (const { keyid, sig } of envelope.signatures)
    for (const { keys } of authorities) {
      const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined
      if (key !== undefined && !checkSignature(key, bytes, sig))
        throw new GupperError('untrusted', `${what} was changed after ${quoted(shortId(keyid))} signed it`, {
          hint: 'do not sign it; ask whoever made it, and have the change made again',
        })
    }
}

/** How many signatures something still lacks. */
export function lackOfWaiting({ envelope, authorities }: Waiting): number {
  // Where it belongs to nobody it is never enough.
  return authorities.length === 0 ? 1 : Math.max(...authorities.map((one) => lackOf(envelope, one)))
}

/**
 * Writes a file that waits in place of what it was.
 * @throws GupperError `cannot-write` or `no-space` (73)
 */
export async function writePendingFile(path: string, { envelope, ...gupper }: Waiting): Promise<void> {
  const text = writeEnvelope({ ...envelope, gupper }).toString('utf8')
  await writeDurably(path, text, join(dirname(path), temporaryName()))
}

/** What is to be signed: a repository with files to be brought in, or files alone. */
export interface Places {
  repository?: string
  files: string[]
}

/**
 * Tells a repository from files. A file that still lies in its repository is that repository; a directory of files is all
 * of them.
 * @param paths absolute
 * @throws GupperError `cannot-read` (69)
 */
export async function findPlaces(paths: readonly string[]): Promise<Places> {
  const places: Places = { files: [] }
  for (const path of paths) {
    const found = await explaining(`cannot read ${path}`, () => stat(path), true)
    const names = found.isDirectory() ? await readdir(path) : []
    const inside = /^(.+)\/\.gupper\/pending(\/[^/]+)?$/.exec(resolve(path))?.[1]
    if (names.includes('metadata') || names.includes('.gupper') || inside !== undefined) {
      places.repository ??= inside ?? path
      continue
    }
    const files = names.filter((name) => /^\d+\..+\.json$/.test(name)).map((name) => join(path, name))
    if (found.isDirectory() && files.length === 0)
      throw new GupperError(
        'cannot-read',
        `${basename(path)} is no repository, and nothing in it waits for signatures`,
      )
    places.files.push(...(found.isDirectory() ? files.sort() : [path]))
  }
  return places
}
