import { GupperError } from '../../errors.ts'
import { silent, type Observer } from '../../package/observer.ts'
import { delegatedKeys } from './delegation.ts'
import { parseMetadata } from './metadata.ts'
import type { Envelope, Keys, RoleKeys, Root, Targets } from './model.ts'
import { capOf, checkFile, demandFresh, fileName } from './rules.ts'
import { demandThreshold } from './threshold.ts'
import type { Trusted } from './trusted.ts'

// Of the 255 that a file's name may have, with a version in front and ".json" behind.
const longestName = 230

/**
 * Gives a targets role, from what is known or from the repository, proven by the one who delegates to it (section 5.6).
 * @throws GupperError `untrusted`, `expired` (77), `not-found`, `unreachable` (69), `too-large` (76)
 */
export async function loadRole(
  trusted: Trusted,
  name: string,
  delegator: Root | Targets,
): Promise<Envelope<Targets>> {
  const { options, snapshot, roles, root, limits } = trusted
  const loaded = roles.get(name)
  if (loaded !== undefined) {
    demandAgain(trusted, delegator, name, loaded)
    return loaded
  }
  const file = `${name}.json`
  // No server has a file of such a name, and this machine could not keep it.
  if (encodeURIComponent(name).length > longestName)
    throw new GupperError(
      'untrusted',
      `the name of a role is longer than ${longestName} letters: ${name.slice(0, 40)}…`,
    )
  const wanted =
    snapshot && Object.hasOwn(snapshot.signed.meta, file) ? snapshot.signed.meta[file] : undefined
  if (wanted === undefined) throw new GupperError('untrusted', `the snapshot does not name ${file}`)

  const prove = (bytes: Uint8Array, what: string): Envelope<Targets> => {
    checkFile(what, bytes, wanted)
    const role = parseMetadata('targets', bytes, what)
    demandDelegated(delegator, name, role)
    if (role.signed.version !== wanted.version)
      throw new GupperError('untrusted', `${what} is version ${role.signed.version}, not ${wanted.version}`)
    demandFresh(role.signed, what, options.now)
    proven.set(role, { by: new WeakSet([delegator]), size: bytes.length })
    return role
  }
  const known = await options.known(name)
  const kept = known && attempt(() => prove(known, file), options.observer)
  if (kept !== undefined) {
    roles.set(name, kept)
    trusted.size += known?.length ?? 0
    return kept
  }
  const served = fileName(name, wanted.version, root.signed)
  const bytes = await options.remote.readMetadata(served, capOf(wanted, limits.targets, limits))
  if (bytes === undefined) throw new GupperError('not-found', `the repository has no ${served}`)
  const role = prove(bytes, served)
  roles.set(name, role)
  trusted.size += bytes.length
  trusted.fresh.set(name, bytes)
  return role
}

// What is known may be of an older version, damaged, or signed by keys that were taken back: then it is asked for anew.
function attempt<T>(prove: () => T, observer: Observer = silent): T | undefined {
  try {
    return prove()
  } catch (error) {
    if (!(error instanceof GupperError) || error.exit !== 77) throw error
    observer.debug(`asking for it anew: ${error.message}`)
    return undefined
  }
}

// By whom a role was found to be signed well, so that it is not proven anew for every path; and its size.
const proven = new WeakMap<Envelope<Targets>, { by: WeakSet<Root | Targets>; size: number }>()

// Proving takes time, and one large role may be delegated to by thousands.
function demandAgain(
  trusted: Trusted,
  delegator: Root | Targets,
  name: string,
  role: Envelope<Targets>,
): void {
  const { by, size } = proven.get(role) ?? { by: new WeakSet(), size: 0 }
  if (by.has(delegator)) return
  trusted.again += size * (1 + (keysFor(delegator, name).role?.keyids.length ?? 0))
  if (trusted.again > trusted.limits.again)
    throw new GupperError('too-large', `${name}.json is delegated to by more roles than can be looked at`, {
      hint: 'ask its publisher to delegate to it once',
    })
  demandDelegated(delegator, name, role)
  by.add(delegator)
}

function demandDelegated(delegator: Root | Targets, name: string, role: Envelope<Targets>): void {
  const { keys, role: who } = keysFor(delegator, name)
  if (who === undefined) throw new GupperError('untrusted', `nothing is delegated to ${name}`)
  demandThreshold(who, keys, role, `${name}.json`)
}

function keysFor(delegator: Root | Targets, name: string): { keys: Keys; role: RoleKeys | undefined } {
  if (delegator._type === 'root')
    return { keys: delegator.keys, role: name === 'targets' ? delegator.roles.targets : undefined }
  const { delegations } = delegator
  return { keys: delegations?.keys ?? {}, role: delegations && delegatedKeys(delegations, name) }
}
