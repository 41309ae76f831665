import { GupperError } from '../errors.ts'
import { parseFileName } from '../package/filename.ts'
import type { PackageRecord, Proof } from '../package/record.ts'
import type { Sums } from './checksums.ts'
import type { Measured } from './measure.ts'
import { checkSignature, type MinisignKey, type MinisignSignature } from './minisign.ts'
import { proofOf, yankOf } from './tuf/release.ts'
import type { Vouched } from './tuf/walk.ts'

type Identity = Pick<PackageRecord, 'name' | 'version' | 'os' | 'arch'>

/** What is claimed of some bytes: a record, or only a plain file's name. */
export interface Claim {
  file: string
  path: string
  size?: number | undefined
  digest?: string | undefined
  /** False where nobody announced the digest and an earlier step computed it from the bytes it had. */
  announced: boolean
  /** The proofs that stood before. */
  earlier: readonly Proof[]
  url?: string | undefined
  source?: string | undefined
  /** What the package says it is; undefined for a file that is not named like one. */
  identity: Identity | undefined
  /** Comes from a stream that does not end, so that what was read before may be stale. */
  watched: boolean
}

/** The size is no proof, but a wrong one refuses. */
export function proveSize({ file, size }: Claim, measured: Measured): [] {
  if (size !== undefined && size !== measured.size)
    throw new GupperError('untrusted', `${file} has ${measured.size} bytes, not ${size}`)
  return []
}

/** The bytes are those that the record announces. */
export function proveDigest({ file, digest, announced }: Claim, measured: Measured): Proof[] {
  if (digest === undefined) return []
  if (digest !== measured.digest)
    throw new GupperError('untrusted', `${file} has the digest ${measured.digest}, not ${digest}`)
  return announced ? [{ by: 'digest' }] : []
}

/** The bytes are those that the checksum file names; with two checksums of a file, both must hold. */
export function proveSums(
  { file, identity }: Claim,
  measured: Measured,
  sums: Sums | undefined,
  from: string,
): Proof[] {
  if (sums === undefined) return []
  const found: Sums = { sha256: measured.digest.slice('sha256:'.length), ...measured }
  for (const algorithm of ['sha256', 'sha512'] as const) {
    if (sums[algorithm] !== undefined && sums[algorithm] !== found[algorithm])
      throw new GupperError('untrusted', `${file} does not have the ${algorithm} checksum of ${from}`)
  }
  if (isOther(parseFileName(file), identity))
    throw new GupperError(
      'untrusted',
      `${from} speaks for ${file}: it is another package than the record says`,
    )
  return [{ by: 'checksums', from }]
}

/** The bytes, the trusted comment and the package's name are those that the owner of the key signed. */
export function proveSignature(
  { file, identity }: Claim,
  measured: Measured,
  signature: MinisignSignature | undefined,
  key: MinisignKey | undefined,
): Proof[] {
  if (signature === undefined || key === undefined) return []
  const message = signature.prehashed ? measured.blake2b : measured.whole
  if (message === undefined) throw new Error('the bytes a signature stands for were not taken')
  checkSignature(signature, key, message, file)
  checkName(signature.comment, identity, file, measured.digest)
  return [{ by: 'minisign', key: key.id, comment: signature.comment }]
}

/** The bytes are those that a role of the repository vouches for under this name, and were not taken back. */
export function proveTarget(
  { file, identity }: Claim,
  measured: Measured,
  vouched: Vouched | undefined,
): Proof[] {
  if (vouched === undefined)
    throw new GupperError('untrusted', `no role of the repository vouches for ${file}`)
  const { target } = vouched
  if (target.length !== measured.size)
    throw new GupperError('untrusted', `${file} has ${measured.size} bytes, not ${target.length}`)
  const { sha256, sha512 } = target.hashes
  const found = measured.digest.slice('sha256:'.length)
  if (sha256 === undefined && (sha512 === undefined || measured.sha512 === undefined))
    throw new GupperError('untrusted', `the repository says no hash of ${file} that is known here`)
  if (
    (sha256 !== undefined && sha256.toLowerCase() !== found) ||
    (sha512 !== undefined && measured.sha512 !== undefined && sha512.toLowerCase() !== measured.sha512)
  )
    throw new GupperError('untrusted', `${file} is not what the repository vouches for`)
  if (isOther(parseFileName(file), identity))
    throw new GupperError(
      'untrusted',
      `the repository vouches for ${file}: it is another package than the record says`,
    )
  const reason = yankOf(target)
  if (reason !== undefined)
    throw new GupperError('untrusted', `${file} was yanked by its publisher: ${reason}`)
  return [proofOf(vouched)]
}

/** `minisign` signs the file's name in the comment, tab-separated, unless the publisher gave another comment. */
function checkName(comment: string, identity: Identity | undefined, file: string, digest: string): void {
  const [, signed = ''] = /(?:^|\t)file:([^\t]+)/.exec(comment) ?? []
  // In a signed repository the file that is signed has its digest before its name.
  const prefix = `${digest.slice('sha256:'.length)}.`
  const name = signed.startsWith(prefix) ? signed.slice(prefix.length) : signed
  if (isOther(parseFileName(name), identity))
    throw new GupperError('untrusted', `${file} was signed as ${name}: it is another package`)
}

/**
 * Whether what was vouched for is another package than what is claimed: a server could give an old one, truly signed,
 * as a new one. Names that are not those of packages tell nothing.
 */
function isOther(vouched: Identity | undefined, claimed: Identity | undefined): boolean {
  if (vouched === undefined || claimed === undefined) return false
  return (['name', 'version', 'os', 'arch'] as const).some((part) => vouched[part] !== claimed[part])
}
