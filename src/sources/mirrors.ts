import { GupperError, type ErrorCode } from '../errors.ts'
import { withoutCredentials } from '../net/client.ts'
import type { Observer } from '../package/observer.ts'

// What speaks against one mirror and not against this machine, the worst first: wrong bytes are no outage.
const worst: readonly ErrorCode[] = [
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

/**
 * Does something with the first of several addresses of the same bytes where it works.
 * @param file what it is about, for people
 * @param addresses in the order in which they are tried, at least one
 * @param observer told of each that failed, and why
 * @throws GupperError the failure of the only address; of several the worst kind, in a message that names all. What is
 *   no mirror's fault (`cannot-write`, `no-space`) at once
 */
export async function withMirrors<T>(
  file: string,
  addresses: readonly string[],
  observer: Observer,
  work: (address: string) => Promise<T>,
): Promise<T> {
  const failures: { reason: string; error: GupperError }[] = []
  for (const [i, address] of addresses.entries()) {
    try {
      return await work(address)
    } catch (error) {
      if (!(error instanceof GupperError) || !worst.includes(error.code) || addresses.length === 1)
        throw error
      const place = withoutCredentials(address)
      const reason = error.message.includes(place) ? error.message : `${place}: ${error.message}`
      failures.push({ reason, error })
      const next = addresses[i + 1]
      if (next !== undefined) observer.warn(`${reason}; trying ${withoutCredentials(next)}`)
    }
  }
  const [main] = failures.toSorted((a, b) => worst.indexOf(a.error.code) - worst.indexOf(b.error.code))
  const all = failures.map(({ reason }) => reason).join('; ')
  throw new GupperError(
    main?.error.code ?? 'unreachable',
    `none of ${failures.length} mirrors has ${file}: ${all}`,
    {
      ...(main && { hint: main.error.hint, cause: main.error }),
    },
  )
}
