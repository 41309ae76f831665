import { GupperError } from '../../errors.ts'
import { identityOf, readPublicKey } from '../../trust/tuf/key.ts'
import { topRoles, type Targets } from '../../trust/tuf/model.ts'
import { demandThreshold, identitiesOf, signersOf } from '../../trust/tuf/threshold.ts'
import type { Keyring } from '../keys/keyring.ts'
import { isBin } from '../roles/bins.ts'
import { demandFollows, demandTrueIds, keysIn } from './demands.ts'
import { readPendingFile, type Waiting } from './file.ts'
import type { OutsideSignature } from './outside-signature.ts'
import { quoted } from './quote.ts'

/** Who is about to sign: what their keys are, see {@link identityOf}. */
export type Signer = ReadonlySet<string>

/** Whoever has these keys, or made a signature elsewhere. */
export function signerOf({ keys }: Keyring, outside?: OutsideSignature): Signer {
  const own = outside === undefined ? [] : [identityOf(readPublicKey(outside.key.key).key)]
  return new Set([...keys.keys(), ...own])
}

/**
 * Reads a file that was carried away from its repository, to be signed there. What it says of itself is believed only as
 * far as the signer has signed it: the version before it, and that one's keys.
 * @throws GupperError `untrusted` (77) where it contradicts itself, and as {@link readPendingFile}
 */
export async function readCarried(path: string, signer: Signer): Promise<Waiting> {
  const waiting = await readPendingFile(path)
  const { before, envelope } = waiting
  // A team to which something is delegated again goes on counting, though nothing of it stands.
  if (before !== undefined || envelope.signed._type === 'root')
    demandFollows(waiting, before?.signed.version ?? 0, path)
  if (before?.signed._type === 'root')
    demandThreshold(before.signed.roles.root, before.signed.keys, before, `what ${path} says to replace`)
  const known = before !== undefined && hasSignedBefore(waiting, signer) ? [keysIn(before)] : []
  demandTrueIds(waiting, known, path)
  if (envelope.signed._type === 'targets') demandRole(waiting, signer, path)
  return waiting
}

/** Whether a key at hand has signed what is to be replaced: then it is what was there, whoever carried it. */
export function hasSignedBefore(waiting: Waiting, signer: Signer): boolean {
  return [...signedBefore(waiting)].some((one) => signer.has(one))
}

function signedBefore({ before, authorities }: Waiting): Set<string> {
  if (before === undefined) return new Set()
  return new Set(
    authorities.flatMap(({ role, keys }) => [...identitiesOf(signersOf(role, keys, before), keys)]),
  )
}

/** Says what nobody can know away from the repository, for whoever is about to sign there. */
export function describeDoubt(waiting: Waiting, signer: Signer): string[] {
  const { before, envelope, role } = waiting
  const { version } = envelope.signed
  const doubt = hasSignedBefore(waiting, signer)
    ? ', which you have signed: whether it is the newest'
    : `${signer.size > 0 ? ', which none of your keys has signed' : ''}: whether it is true`
  const said =
    before !== undefined
      ? `compared with version ${version - 1} as the file has it${doubt} only the repository knows`
      : version > 1
        ? 'compared with nothing: the file does not have what it replaces, and all of it is told as new'
        : undefined
  const own = `that it is of ${quoted(role)} only the file says: a signature counts for targets, and each team, that has its key`
  return [...(said === undefined ? [] : [said]), ...(envelope.signed._type === 'root' ? [] : [own])]
}

// Metadata of targets and of teams look alike, and do not say which of them they are: only what contradicts it is seen.
function demandRole(waiting: Waiting, signer: Signer, path: string): void {
  const { role, envelope, before, authorities } = waiting
  const delegations = [envelope, before].flatMap(
    (one) => (one?.signed as Targets | undefined)?.delegations ?? [],
  )
  const isOther = role !== 'targets' && topRoles.some((top) => top === role)
  if (isOther) throw misnamed(`${path} says that it is of ${role}, but it vouches for packages`)
  if (role !== 'targets' && delegations.length > 0)
    throw misnamed(`${path} says that it is of ${quoted(role)}, but it delegates, as only targets does`)
  const signed = signedBefore(waiting)
  const would = authorities.flatMap(({ role, keys }) => [...identitiesOf(role.keyids, keys)])
  const strange = new Set(would.filter((one) => signer.has(one) && !signed.has(one)))
  const { roles = [], keys = {} } = (before?.signed as Targets | undefined)?.delegations ?? {}
  for (const team of roles.filter((one) => !isBin(one)))
    if ([...identitiesOf(team.keyids, keys)].some((one) => strange.has(one)))
      throw misnamed(`${path} wants a key for ${quoted(role)} that is known as one of ${quoted(team.name)}`)
}

function misnamed(message: string): GupperError {
  return new GupperError('untrusted', message, {
    hint: 'sign it in its repository, which knows whose it is: gupper trust sign REPO FILE --keys DIR',
  })
}
