import { GupperError } from '../errors.ts'
import { candidates, formatFilter, type Filter } from '../package/filter.ts'
import { silent, type Observer } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { outlineOf, recordOf, targetName } from '../trust/tuf/release.ts'
import type { Trusted } from '../trust/tuf/trusted.ts'
import { listTargets, type Listing, type Vouched } from '../trust/tuf/walk.ts'
import type { Source, SourceOptions } from './source.ts'
import type { Session, Trust } from './trust.ts'

/**
 * A signed repository: its records come from proven metadata only.
 * @param addresses where it lies: mirrors of one another, the preferred first
 */
export async function createTrustedSource(
  addresses: readonly string[],
  trust: Trust,
  options: SourceOptions,
): Promise<Source> {
  const { observer = silent } = options
  let troubles: readonly GupperError[] = []
  let version: string | undefined
  const [first = ''] = addresses
  const pusher = await trust.reach(first).catch(() => undefined)
  return {
    url: pusher?.url ?? first,
    get troubles() {
      return troubles
    },
    async read(filter) {
      const { names = [] } = filter
      const starts = names.length > 0 ? names.map((name) => `${name}-`) : undefined
      const take = ({ targets, broken, apart }: Listing, session: Session): PackageRecord[] => {
        // Who asks for some packages need not care what became of others.
        for (const { role, reason } of apart) observer.warn(withRole(role, reason).message)
        troubles = broken.map(({ role, reason }) => withRole(role, reason))
        version = `${versionOf(session.trusted)} ${wordsOf(filter)}`
        return [...chooseTargets(targets, filter, observer)].map((record) => locate(record, session))
      }
      let partial: { listing: Listing; session: Session } | undefined
      try {
        return await trust.withMirrors(addresses, async (session) => {
          const now = `${versionOf(session.trusted)} ${wordsOf(filter)}`
          if (now === version && troubles.length === 0) return undefined
          const listing = await listTargets(session.trusted, starts)
          const [broken] = listing.broken
          if (broken === undefined || session.last) return take(listing, session)
          partial ??= { listing, session }
          throw withRole(broken.role, broken.reason)
        })
      } catch (error) {
        // No other mirror could do better: what this one had was proven all the same.
        if (partial === undefined || !(error instanceof GupperError) || error.exit === 73) throw error
        return take(partial.listing, partial.session)
      }
    },
    ...(pusher?.changes && { changes: (signal) => Promise.resolve(pusher.changes?.(signal)) }),
    close: () => {
      trust.close()
    },
  }
}

function versionOf({ root, timestamp }: Trusted): string {
  return [root.signed.version, timestamp?.signed.version].join('.')
}

function withRole(role: string, { code, message, hint, cause }: GupperError): GupperError {
  return new GupperError(code, `what ${role} vouches for is left out: ${message}`, { hint, cause })
}

const wordsOf = (filter: Filter): string =>
  [formatFilter(filter), filter.aged !== undefined, ...(filter.rejected ?? [])].join(' ')

/** Adds where the bytes are: at the mirror that answered, and at the others. */
function locate(
  { record, vouched }: Chosen,
  { trusted: { root }, transport, others }: Session,
): PackageRecord {
  if (transport === undefined) return record
  const name = targetName(vouched, root.signed.consistent_snapshot === true)
  const mirrors = others.map((other) => other.targetUrl(name))
  const source = { url: transport.targetUrl(name), source: transport.url }
  return { ...record, ...source, ...(mirrors.length > 0 && { mirrors }) }
}

interface Chosen {
  record: PackageRecord
  vouched: Vouched
}

// How often a target that cannot be taken may be the one that was chosen, before all of them are looked at.
const patience = 4

/**
 * The candidates of a filter. Only what is chosen is made into a whole record, which takes far longer than choosing; what
 * then turns out to be no good record leaves its place to the next.
 */
function* chooseTargets(targets: readonly Vouched[], filter: Filter, observer: Observer): Generator<Chosen> {
  const bad = new Set<Vouched>()
  for (let round = 0; ; round++) {
    const outlines = new Map<PackageRecord, Vouched>()
    for (const vouched of targets) {
      const outline =
        bad.has(vouched) || (round > patience && isBad(vouched)) ? undefined : outlineOf(vouched)
      if (outline !== undefined) outlines.set(outline, vouched)
    }
    const chosen: Chosen[] = []
    const before = bad.size
    for (const outline of candidates(outlines.keys(), filter)) {
      const vouched = outlines.get(outline)
      const record = vouched && recordOf(vouched)
      if (vouched === undefined || record === undefined) continue
      if (typeof record !== 'string') chosen.push({ record, vouched })
      else {
        observer.warn(`leaving out ${vouched.path}: ${record}`)
        bad.add(vouched)
      }
    }
    if (bad.size > before) continue
    yield* chosen
    return
  }
}

const isBad = (vouched: Vouched): boolean => typeof recordOf(vouched) === 'string'
