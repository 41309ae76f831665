import { basename, resolve } from 'node:path'
import { GupperError } from '../errors.ts'
import { parseFileName } from '../package/filename.ts'
import { eachRecord, isAbort, type Items } from '../package/flow.ts'
import { toFailure, type Failure, type Item, type PackageRecord, type Proof } from '../package/record.ts'
import { collectEvidence, type Evidence, type EvidenceOptions } from './evidence.ts'
import { measure, type Measured } from './measure.ts'
import { demand, type Requirement } from './policy.ts'
import { proveDigest, proveSignature, proveSize, proveSums, proveTarget, type Claim } from './rules.ts'
import type { TufProver } from './tuf/prover.ts'

/** What is to be proven, with what. */
export interface VerifyOptions extends EvidenceOptions {
  /** What a signed repository vouches for: each package must be among it. */
  tuf?: TufProver | undefined
  /** The proofs that must stand (see {@link demand}). */
  require?: Requirement | undefined
}

/** A plain file that is not named like a package: data for people and scripts, not a record for the next step. */
export interface VerifiedFile {
  file: string
  /** Absolute. */
  path: string
  size: number
  digest: string
  proofs: Proof[]
}

/**
 * Proves records: each is written with the proofs that hold, or a failure in its place. Whatever was asked for and is
 * missing or wrong is refused; bytes that are there are always hashed again.
 * @param items records with `path`, as `fetch` writes them
 * @throws GupperError `config` (78), `usage` (64) before the first record when the key is no key
 */
export async function* verify(items: Items, options: VerifyOptions = {}): AsyncGenerator<Item> {
  const evidence = await collectEvidence(options)
  try {
    yield* eachRecord('verify', items, async (record) => {
      if (record.path === undefined)
        throw new GupperError('unproven', `the bytes of ${record.file} are not here`, {
          hint: 'get them first: gupper fetch',
        })
      const { measured, proofs } = await prove(claimOf(record, record.path), evidence, options)
      const { size, digest } = measured
      // A digest that nothing proves would look like an announced one to the next step.
      return { ...record, size, ...(proofs.length > 0 && { digest }), proofs }
    })
  } finally {
    evidence.close()
    options.tuf?.close()
  }
}

/**
 * Proves plain files. One that is named like a package becomes a record, any other a {@link VerifiedFile}; nobody
 * announced their digests, so only a checksum file or a signature can prove them.
 * @param paths the files
 */
export async function* verifyFiles(
  paths: readonly string[],
  options: VerifyOptions & { cwd: string },
): AsyncGenerator<PackageRecord | VerifiedFile | Failure> {
  const evidence = await collectEvidence(options)
  try {
    for (const given of paths) {
      const path = resolve(options.cwd, given)
      const file = basename(path)
      try {
        const identity = parseFileName(file)
        const { measured, proofs } = await prove(
          { file, path, identity, announced: false, earlier: [], watched: false },
          evidence,
          options,
        )
        const { size, digest } = measured
        if (identity === undefined) yield { file, path, size, digest, proofs }
        else {
          const { name, version, os, arch } = identity
          yield { schema: 1, name, version, os, arch, file, size, digest, path, proofs }
        }
      } catch (thrown) {
        if (isAbort(thrown)) throw thrown
        yield toFailure('verify', thrown, { file, path })
      }
    }
  } finally {
    evidence.close()
    options.tuf?.close()
  }
}

/** The policy: every rule that was asked for gives its proof or refuses; then the requirement is held against them. */
async function prove(
  claim: Claim,
  evidence: Evidence,
  options: VerifyOptions,
): Promise<{ measured: Measured; proofs: Proof[] }> {
  const sums = options.checksums === undefined ? undefined : await evidence.sums(claim)
  const signature = options.minisign === undefined ? undefined : await evidence.signature(claim)
  const vouched = await options.tuf?.find(claim)
  const measured = await measure(claim.path, {
    sha512: sums?.sha512 !== undefined || vouched?.target.hashes.sha512 !== undefined,
    blake2b: signature?.prehashed === true,
    whole: signature?.prehashed === false,
    signal: options.signal,
  })
  const made: Proof[] = [
    ...proveSize(claim, measured),
    ...proveDigest(claim, measured),
    ...proveSums(claim, measured, sums, evidence.from),
    ...proveSignature(claim, measured, signature, evidence.key),
    ...(options.tuf === undefined ? [] : proveTarget(claim, measured, vouched)),
  ]
  const earlier = claim.earlier.filter((old) => !made.some((proof) => isSame(old, proof)))
  const proofs = [...earlier, ...made]
  // What is required by name must be proven here: a record can claim anything of itself.
  demand({ file: claim.file, proofs: options.require === undefined ? proofs : made }, options.require)
  return { measured, proofs }
}

function claimOf(record: PackageRecord, path: string): Claim {
  const { file, size, digest, url, source, proofs, watched } = record
  return {
    file,
    path,
    size,
    digest,
    url,
    source,
    identity: record,
    announced: proofs === undefined || proofs.some(({ by }) => by === 'digest'),
    // They stand for these bytes only if a digest says that the bytes are the same.
    earlier: digest === undefined ? [] : (proofs ?? []),
    watched: watched !== undefined,
  }
}

/** Whether two proofs say the same, so that proving again does not add it twice. */
function isSame(a: Proof, b: Proof): boolean {
  return a.by === b.by && a.from === b.from && a.key === b.key
}
