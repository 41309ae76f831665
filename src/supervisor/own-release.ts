import { access } from 'node:fs/promises'
import type { Release } from '../activations/activation.ts'
import { GupperError } from '../errors.ts'
import type { Facts } from './journal.ts'

/** Whether a release can still be started. */
export async function isThere({ path }: Release): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

/**
 * Refuses an update of a frozen service.
 * @throws GupperError `frozen` (1)
 */
export function refuseFrozen(service: string, { frozen }: Readonly<Facts>): void {
  if (frozen !== true) return
  throw new GupperError('frozen', `${service} is frozen`, {
    hint: `let it follow again, and what is installed go live, with: gupper unfreeze ${service}`,
  })
}

/** The complaint about a frozen service whose own build is gone: it starts no other by itself. */
export function goneWhileFrozen(service: string, { version, path }: Release): GupperError {
  const hint = `install ${version} again, go to another version with: gupper rollback --service ${service} --version VERSION, or let it follow with: gupper unfreeze ${service}`
  return new GupperError('frozen', `${service} is frozen, and its ${version} is gone (${path})`, { hint })
}
