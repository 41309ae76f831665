import { readdir } from 'node:fs/promises'
import { explaining, GupperError } from '../errors.ts'
import type { Snapshot, Timestamp } from '../trust/tuf/model.ts'
import { metadataName, type Layout } from './layout.ts'

// No publisher comes that far, not even with the time as version; whoever has stolen a key goes as far as numbers go.
const most = 2 ** 50
// Where counting goes on: far from there, whatever else somebody has put beside it.
const mostAnew = 2 ** 32

/**
 * Finds the roles whose versions were run up, so that nothing newer could follow, with the version that each goes on from
 * once its key is replaced: a name that metadata had already stands in caches.
 * @throws GupperError `cannot-read` (69)
 */
export async function findRunUp(
  { metadata }: Layout,
  timestamp: Timestamp,
  { version, meta }: Snapshot,
): Promise<Map<string, number>> {
  const versions = Object.entries(meta).map(([file, meta]) => [file.slice(0, -5), meta.version] as const)
  const roles = [...versions, ['snapshot', version] as const].flatMap(([role, version]) =>
    version > most ? [role] : [],
  )
  const runUp = new Map(timestamp.version > most ? [['timestamp', 0]] : [])
  if (roles.length === 0) return runUp
  const names = await explaining(`cannot read ${metadata}`, () => readdir(metadata), true)
  const numbered = names.map((name) => [Number.parseInt(name, 10), name] as const)
  for (const role of roles) {
    const own = numbered.filter(([at, name]) => at <= mostAnew && name === metadataName(role, at))
    runUp.set(role, Math.max(0, ...own.map(([at]) => at)))
  }
  return runUp
}

/** The complaint that a role cannot go on with the keys it has. */
export function runUpError({ root }: Layout, role: string): GupperError {
  const name = role === 'snapshot' || role === 'timestamp' ? 'online' : role
  return new GupperError(
    'untrusted',
    `the version of ${role} was run up, so that nothing newer can follow: somebody else has its key`,
    { hint: `replace the key: gupper trust rotate ${name} ${root} --keys DIR` },
  )
}
