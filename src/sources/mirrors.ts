import { GupperError, type ErrorCode } from '../errors.ts'
import { withoutCredentials } from '../net/client.ts'
import type { Observer } from '../package/observer.ts'

// What speaks against one mirror and not against this machine, the worst first: lies and wrong bytes are no outage.
const worst: readonly ErrorCode[] = [
  'untrusted',
  'rolled-back',
  'expired',
  'unproven',
  'wrong-digest',
  'wrong-size',
  'too-large',
  'bad-archive',
  'protocol',
  'redirect',
  'bad-record',
  'denied',
  'not-found',
  'cannot-read',
  'unreachable',
]

/** How to go from one mirror to the next. */
export interface MirrorOptions {
  /** Told of each that failed, and why. */
  observer: Observer
  /** What none of them can, for people: "has app-1.0.0-linux-amd64". */
  can: string
  /** Whether a failure is this machine's own, which no other mirror mends. */
  isOwn?: (error: GupperError) => boolean
}

/**
 * Does something with the first of several addresses of the same thing where it works.
 * @param addresses in the order in which they are tried, at least one
 * @throws GupperError the failure of the only address; of several the worst kind, in a message that names all. What is
 *   no mirror's fault (`cannot-write`, `no-space`) at once
 */
export async function withMirrors<T>(
  addresses: readonly string[],
  { observer, can, isOwn = () => false }: MirrorOptions,
  work: (address: string, at: number) => Promise<T>,
): Promise<T> {
  const failures: { reason: string; error: GupperError }[] = []
  for (const [at, address] of addresses.entries()) {
    try {
      return await work(address, at)
    } catch (error) {
      const theirs = error instanceof GupperError && worst.includes(error.code) && !isOwn(error)
      if (!theirs || addresses.length === 1) throw error
      const place = withoutCredentials(address)
      const reason = error.message.includes(place) ? error.message : `${place}: ${error.message}`
      failures.push({ reason, error })
      const next = addresses[at + 1]
      if (next !== undefined) observer.warn(`${reason}; trying ${withoutCredentials(next)}`)
    }
  }
  const [main] = failures.toSorted((a, b) => worst.indexOf(a.error.code) - worst.indexOf(b.error.code))
  const all = failures.map(({ reason }) => reason).join('; ')
  throw new GupperError(
    main?.error.code ?? 'unreachable',
    `none of ${failures.length} mirrors ${can}: ${all}`,
    {
      ...(main && { hint: main.error.hint, cause: main.error }),
    },
  )
}
