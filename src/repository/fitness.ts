import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { GupperError, errnoOf, explain } from '../errors.ts'
import { isSafeName } from '../package/filename.ts'
import { delegatedNames } from '../trust/tuf/delegation.ts'
import type { Targets } from '../trust/tuf/model.ts'
import type { Envelopes } from './complete.ts'
import type { Draft } from './draft.ts'
import { targetPath, type Layout } from './layout.ts'
import { isYanked } from './packages/plain.ts'
import { lackOf } from './sign.ts'
import { runUpError } from './versions.ts'

/** Bytes that are about to be put below targets/, by the name they get there. */
export type Arriving = ReadonlySet<string>

const noBytes: Arriving = new Set()

/**
 * Finds what must not be committed, whoever has signed it, since clients could not use it; by role, with the reason. What
 * waits so goes on waiting, and blocks nothing else.
 * @throws GupperError where it is this draft's own edit: `not-found` (69) that offers what is not there, `untrusted` (77)
 * of a role whose version was run up
 */
export async function findUnfit(
  draft: Draft,
  envelopes: Envelopes,
  arriving = noBytes,
): Promise<Map<string, GupperError>> {
  const { layout } = draft
  const unfit = new Map<string, GupperError>()
  for (const [role, { signed }] of envelopes) {
    const before = (await draft.readCommitted(role))?.signed
    const lacking = await findLacking(layout, signed, before, arriving)
    if (lacking.length > 0 && draft.edited.has(role)) {
      const own = await findLacking(layout, signed, draft.waiting(role)?.signed ?? before, arriving)
      if (own.length > 0) throw lacksBytes(layout, own)
    }
    const runUp = await refuseRunUp(draft, role)
    if (runUp !== undefined && draft.edited.has(role)) throw runUp
    const reason =
      runUp ??
      refuseGap(draft, role, signed) ??
      refuseDeeper(role, signed, before) ??
      (lacking.length > 0 ? lacksBytes(layout, lacking) : undefined)
    if (reason !== undefined) unfit.set(role, reason)
  }
  return unfit
}

/** Warns of what goes on waiting though it is signed. */
export function warnOfUnfit({ observer }: Draft, unfit: ReadonlyMap<string, GupperError>): void {
  for (const [role, { message, hint }] of unfit)
    observer.warn(`what waits in ${role} cannot be published: ${message}`, { hint })
}

// What was run up goes on from a low version only where clients do not believe the key any more that did it.
async function refuseRunUp(draft: Draft, role: string): Promise<GupperError | undefined> {
  if (!draft.committed.runUp.has(role)) return undefined
  const committed = await draft.readCommitted(role)
  const stands = committed !== undefined && lackOf(committed, await draft.authorityOf(role)) === 0
  return stands ? runUpError(draft.layout, role) : undefined
}

// Whoever could go far ahead could go so far that nothing can follow.
function refuseGap(draft: Draft, role: string, { version }: Targets): GupperError | undefined {
  const last = draft.versionOf(role)
  if (version === last + 1) return undefined
  return new GupperError('conflict', `version ${version} of ${role} does not follow on ${last}`, {
    hint: `have it made again, and remove it from ${draft.layout.pending}`,
  })
}

// Only targets delegates here: the snapshot would not name those whom a team delegates to, and no client could go past them.
function refuseDeeper(
  role: string,
  { delegations }: Targets,
  before: Targets | undefined,
): GupperError | undefined {
  if (role === 'targets' || delegations === undefined || delegations.roles?.length === 0) return undefined
  if (isDeepStrictEqual(delegations, before?.delegations)) return undefined
  const names = [...delegatedNames(delegations).take(most)].join(', ')
  return new GupperError(
    'bad-record',
    `${role} delegates to others in turn (${names}), as no team can here`,
    {
      hint: 'have it made again without delegations; gupper trust delegate lets another team sign',
    },
  )
}

/** The bytes that metadata newly offers, and that are not there: their names below targets/. */
async function findLacking(
  layout: Layout,
  { targets }: Targets,
  before: Targets | undefined,
  arriving: Arriving,
): Promise<string[]> {
  const lacking: string[] = []
  for (const [file, target] of Object.entries(targets)) {
    const old = before && Object.hasOwn(before.targets, file) ? before.targets[file] : undefined
    const hash = target.hashes.sha256 ?? ''
    // Of what is offered already nothing is to be held back: it would make nothing better.
    const offered =
      old !== undefined && !isYanked(old) && old.hashes.sha256 === hash && old.length === target.length
    if (offered || isYanked(target) || !isSafeName(file)) continue
    const path = targetPath(layout, hash, file)
    if (!arriving.has(basename(path)) && (await sizeOf(path)) !== target.length) lacking.push(basename(path))
  }
  return lacking
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'].includes(errnoOf(error) ?? '')) return undefined
    throw explain(error, `cannot read ${path}`, true)
  }
}

const most = 5

function lacksBytes({ root, targets }: Layout, names: readonly string[]): GupperError {
  const more = names.length > most ? `, and ${names.length - most} more` : ''
  return new GupperError('not-found', `${targets} lacks ${names.slice(0, most).join(', ')}${more}`, {
    hint: `put the bytes there, or publish them first (gupper publish --to ${root} FILE), then run this again`,
  })
}
