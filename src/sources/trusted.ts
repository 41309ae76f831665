import { GupperError } from '../errors.ts'
import { silent } from '../package/observer.ts'
import type { PackageRecord } from '../package/record.ts'
import { recordOf, targetName } from '../trust/tuf/release.ts'
import type { Trusted } from '../trust/tuf/trusted.ts'
import { listTargets, type Listing } from '../trust/tuf/walk.ts'
import type { Source, SourceOptions } from './source.ts'
import type { Session, Trust } from './trust.ts'
import { openTransport } from './transport.ts'

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
  const pusher = await openTransport(first, options).catch(() => undefined)
  return {
    url: pusher?.url ?? first,
    get troubles() {
      return troubles
    },
    async read() {
      return trust.withMirrors(addresses, async (session) => {
        const now = versionOf(session.trusted)
        if (now === version && troubles.length === 0) return undefined
        const listing = await listTargets(session.trusted)
        const [broken] = listing.broken
        if (broken !== undefined && !session.last) throw withRole(broken.role, broken.reason)
        troubles = listing.broken.map(({ role, reason }) => withRole(role, reason))
        version = now
        return recordsOf(listing, session, (message) => {
          observer.warn(message)
        })
      })
    },
    ...(pusher?.changes && { changes: (signal) => Promise.resolve(pusher.changes?.(signal)) }),
    close: () => {
      trust.close()
      pusher?.close?.()
    },
  }
}

function versionOf({ root, timestamp }: Trusted): string {
  return [root.signed.version, timestamp?.signed.version].join('.')
}

function withRole(role: string, { code, message, hint, cause }: GupperError): GupperError {
  return new GupperError(code, `what ${role} vouches for is left out: ${message}`, { hint, cause })
}

function recordsOf(
  { targets }: Listing,
  { trusted: { root }, transport, others }: Session,
  warn: (message: string) => void,
): PackageRecord[] {
  const consistent = root.signed.consistent_snapshot === true
  const records: PackageRecord[] = []
  for (const vouched of targets) {
    const record = recordOf(vouched)
    if (typeof record === 'string') warn(`leaving out ${vouched.path}: ${record}`)
    if (typeof record !== 'object' || transport === undefined) continue
    const name = targetName(vouched, consistent)
    const mirrors = others.map((other) => other.targetUrl(name))
    records.push({
      ...record,
      url: transport.targetUrl(name),
      source: transport.url,
      ...(mirrors.length > 0 && { mirrors }),
    })
  }
  return records
}
