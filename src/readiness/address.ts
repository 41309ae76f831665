import { GupperError } from '../errors.ts'
import { formatAddress, loopback } from '../net/listening.ts'
import type { Candidate } from './check.ts'

/** Where this machine itself reaches a program. */
export type Reach = { host: string; port: number } | { socketPath: string }

/**
 * Where a program answers, from this machine: a wildcard address is reached at the loopback.
 * @param kind the kind of check that asks
 * @throws GupperError `config` (78) when it has no address that is known
 */
export function reach({ address }: Candidate, kind: string): Reach {
  if (address === undefined)
    throw new GupperError('config', `the check ${kind} wants an address, and none is known`, {
      hint: 'give one with --listen, or use another check, such as fd, notify or log:REGEX',
    })
  if ('path' in address) return { socketPath: address.path }
  return { host: loopback(address.host), port: address.port }
}

/** An address for people: "127.0.0.1:4711", "[::1]:4711", or a path. */
export function show(to: Reach): string {
  if ('socketPath' in to) return to.socketPath
  return formatAddress(to)
}
