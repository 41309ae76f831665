import { GupperError } from '../../errors.ts'
import { parseJson } from '../../package/ndjson.ts'
import { topRoles, type Envelope, type Kinds } from './model.ts'

/**
 * Reads a file of metadata and holds its form; signatures, expiry and versions are for others to judge.
 * @param kind what it must be
 * @param bytes the file
 * @param what the file, for people
 * @throws GupperError `untrusted` (77) naming what is wrong: whoever serves such a file is not to be believed
 */
export function parseMetadata<K extends keyof Kinds>(
  kind: K,
  bytes: Uint8Array,
  what: string,
): Envelope<Kinds[K]> {
  try {
    const value = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    const envelope = object(value, 'the file')
    const signed = object(envelope.signed, 'signed')
    demand(signed._type === kind, `it is of type ${JSON.stringify(signed._type)}, not ${kind}`)
    checkSignatures(envelope.signatures)
    checkCommon(signed)
    checks[kind](signed)
    return value as Envelope<Kinds[K]>
  } catch (cause) {
    // Without the text: somebody may have named a private key here.
    const reason =
      cause instanceof Error ? cause.message.replace(/^not JSON: .*/s, 'not JSON') : String(cause)
    // Names in it are not ours: they shall not look like lines of ours.
    const line = reason.replace(/[\r\n]/g, (letter) => (letter === '\n' ? '\\n' : '\\r'))
    throw new GupperError('untrusted', `${what} is not the metadata it should be: ${line}`, { cause })
  }
}

type Fields = Record<string, unknown>

const checks: Record<keyof Kinds, (signed: Fields) => void> = {
  root({ keys, roles, consistent_snapshot: consistent }) {
    demand(consistent === undefined || typeof consistent === 'boolean', 'consistent_snapshot is no boolean')
    checkKeys(keys)
    const known = object(roles, 'roles')
    for (const role of topRoles) {
      demand(Object.hasOwn(known, role), `the role ${role} is missing`)
      checkRole(object(known[role], role), role)
    }
  },
  timestamp({ meta }) {
    const files = object(meta, 'meta')
    demand(Object.hasOwn(files, 'snapshot.json'), 'meta lacks snapshot.json')
    checkMeta(files['snapshot.json'], 'snapshot.json')
  },
  snapshot({ meta }) {
    const files = object(meta, 'meta')
    demand(Object.hasOwn(files, 'targets.json'), 'meta lacks targets.json')
    for (const [name, file] of Object.entries(files)) checkMeta(file, name)
  },
  targets({ targets, delegations }) {
    for (const [path, value] of Object.entries(object(targets, 'targets'))) {
      const target = object(value, path)
      demand(isCount(target.length), `the length of ${path} is no number of bytes`)
      checkHashes(target.hashes, path)
      if (target.custom !== undefined) object(target.custom, `custom of ${path}`)
    }
    if (delegations !== undefined) checkDelegations(object(delegations, 'delegations'))
  },
}

// TUF 1.0.34, section 4.2.1: ISO 8601, in UTC.
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

function checkCommon({ spec_version: spec, version, expires }: Fields): void {
  demand(typeof spec === 'string' && /^1(\.\d+){1,2}$/.test(spec), 'its spec_version is not 1.x')
  demand(isCount(version) && version > 0, 'its version is no positive number')
  const known = typeof expires === 'string' && time.test(expires) && !Number.isNaN(Date.parse(expires))
  demand(known, 'its expires is no time like 2030-01-01T00:00:00Z')
}

function checkSignatures(signatures: unknown): void {
  const seen = new Set<unknown>()
  for (const value of list(signatures, 'signatures')) {
    const { keyid, sig } = object(value, 'a signature')
    demand(typeof keyid === 'string' && typeof sig === 'string', 'a signature lacks keyid or sig')
    demand(!seen.has(keyid), `it has two signatures of ${keyid}`)
    seen.add(keyid)
  }
}

function checkKeys(keys: unknown): void {
  for (const [id, value] of Object.entries(object(keys, 'keys'))) {
    const { keytype, scheme, keyval } = object(value, `key ${id}`)
    demand(typeof keytype === 'string' && typeof scheme === 'string', `key ${id} lacks keytype or scheme`)
    demand(typeof object(keyval, `keyval of ${id}`).public === 'string', `key ${id} lacks its public half`)
  }
}

function checkRole({ keyids, threshold }: Fields, name: string): void {
  const ids = list(keyids, `keyids of ${name}`)
  demand(
    ids.every((id) => typeof id === 'string'),
    `keyids of ${name} are no strings`,
  )
  demand(new Set(ids).size === ids.length, `${name} names a key twice`)
  demand(isCount(threshold) && threshold > 0, `the threshold of ${name} is no positive number`)
}

function checkMeta(value: unknown, name: string): void {
  const { version, length, hashes } = object(value, name)
  demand(isCount(version) && version > 0, `the version of ${name} is no positive number`)
  demand(length === undefined || isCount(length), `the length of ${name} is no number of bytes`)
  if (hashes !== undefined) checkHashes(hashes, name)
}

function checkHashes(value: unknown, name: string): void {
  const hashes = Object.values(object(value, `hashes of ${name}`))
  demand(hashes.length > 0, `${name} has no hashes`)
  demand(
    hashes.every((hash) => typeof hash === 'string' && /^([0-9a-f]{2})+$/i.test(hash)),
    `a hash of ${name} is not hexadecimal`,
  )
}

function checkDelegations({ keys, roles, succinct_roles: bins }: Fields): void {
  checkKeys(keys)
  demand((roles === undefined) !== (bins === undefined), 'delegations need either roles or succinct_roles')
  const names = new Set<unknown>()
  for (const value of roles === undefined ? [] : list(roles, 'roles')) {
    const role = object(value, 'a delegated role')
    const { name, terminating, paths, path_hash_prefixes: prefixes } = role
    demand(typeof name === 'string' && name !== '', 'a delegated role has no name')
    // It would take the place of the role that everything hangs on.
    demand(!topRoles.some((top) => top === name), `${name} cannot be delegated`)
    demand(!names.has(name), `${name} is delegated twice`)
    names.add(name)
    checkRole(role, name)
    demand(typeof terminating === 'boolean', `${name} does not say whether it is terminating`)
    demand((paths === undefined) !== (prefixes === undefined), `${name} needs paths or path_hash_prefixes`)
    demand(
      list(paths ?? prefixes, `paths of ${name}`).every((one) => typeof one === 'string'),
      `paths of ${name} are no strings`,
    )
  }
  if (bins === undefined) return
  const role = object(bins, 'succinct_roles')
  checkRole(role, 'succinct_roles')
  demand(
    isCount(role.bit_length) && role.bit_length >= 1 && role.bit_length <= 32,
    'bit_length is not 1 to 32',
  )
  demand(typeof role.name_prefix === 'string' && role.name_prefix !== '', 'name_prefix is no name')
}

function demand(holds: boolean, complaint: string): asserts holds {
  if (!holds) throw new Error(complaint)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function object(value: unknown, what: string): Fields {
  demand(typeof value === 'object' && value !== null && !Array.isArray(value), `${what} is no object`)
  return value as Fields
}

function list(value: unknown, what: string): unknown[] {
  demand(Array.isArray(value), `${what} is no list`)
  return value as unknown[]
}
