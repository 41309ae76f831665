import { GupperError } from '../errors.ts'
import { parseChecksums, sumsOf, type Checksums, type Sums } from './checksums.ts'
import { isKey, parseKey, parseSignature, type MinisignKey, type MinisignSignature } from './minisign.ts'
import { createReader, isRemote, withoutSecrets, type ReachOptions, type Reader } from './read.ts'

/** What proves: where the checksums, the key and the signature are. */
export interface EvidenceOptions extends ReachOptions {
  /** Path or URL of a checksum file. */
  checksums?: string | undefined
  /** A minisign public key, or the path of its file. */
  minisign?: string | undefined
  /** Path or URL of the signature, where it is not beside the package. */
  signature?: string | undefined
}

/** The evidence of one run: loaded where it is asked for, and remembered. */
export interface Evidence {
  key: MinisignKey | undefined
  /** Where the checksums come from, as it may be shown. */
  from: string
  /** What the checksum file says of a file. */
  sums(claim: { file: string; watched: boolean }): Promise<Sums>
  /** The signature of a file: where the options say, else beside the file, else beside its URL. */
  signature(claim: Place): Promise<MinisignSignature>
  /** Lets go of the connections. */
  close(): void
}

interface Place {
  file: string
  path: string
  url?: string | undefined
  source?: string | undefined
}

/** The largest checksum file: 16 MiB, about 100,000 names. */
const maxChecksums = 16 << 20
/** The largest key or signature file; `minisign` itself allows comments of 8 KiB. */
const maxSmall = 64 << 10

/**
 * Prepares the evidence of one run; reads the key at once, so that a wrong one is no fault of the first package.
 * @throws GupperError `usage` (64) and `config` (78) when the key is none
 */
export async function collectEvidence(options: EvidenceOptions): Promise<Evidence> {
  if (options.signature !== undefined && options.minisign === undefined)
    throw new GupperError('usage', 'a signature needs the key that checks it', {
      hint: 'give --minisign KEY',
    })
  const from = withoutSecrets(options.checksums ?? '')
  const reader = createReader(options)
  const key = options.minisign === undefined ? undefined : await readKey(options.minisign, reader)
  let loaded: Checksums | undefined
  return {
    from,
    key,
    async sums({ file, watched }) {
      // A stream that does not end brings packages that are newer than the list that was read before.
      if (loaded === undefined || watched) loaded = await readChecksums(options.checksums ?? '', reader)
      return sumsOf(loaded, file, from)
    },
    signature(claim) {
      const { signature } = options
      return signature === undefined
        ? // A bare token goes to the origin of the record's source only, not to wherever its url leads.
          readSignature(claim.file, besides(claim), reader, claim.source ?? '')
        : readSignature(claim.file, [signature], reader, undefined)
    },
    close: () => reader.close(),
  }
}

async function readKey(given: string, reader: Reader): Promise<MinisignKey> {
  if (isKey(given)) return parseKey(given, 'the key')
  // A key fetched from where the package comes from would prove nothing.
  if (isRemote(given))
    throw new GupperError('usage', 'a minisign key is not taken from a URL', {
      hint: 'get it on a way you trust, and give its file or its base64 line',
    })
  const bytes = await reader.read(given, maxSmall)
  if (bytes === undefined)
    throw new GupperError('usage', `${given} is neither a minisign public key nor the file of one`)
  return parseKey(bytes.toString('utf8'), given)
}

async function readChecksums(where: string, reader: Reader): Promise<Checksums> {
  const bytes = await reader.read(where, maxChecksums)
  const shown = withoutSecrets(where)
  if (bytes === undefined) throw new GupperError('untrusted', `there is no checksum file at ${shown}`)
  return parseChecksums(bytes.toString('utf8'), shown)
}

async function readSignature(
  file: string,
  places: readonly string[],
  reader: Reader,
  source: string | undefined,
): Promise<MinisignSignature> {
  for (const place of places) {
    const bytes = await reader.read(place, maxSmall, source)
    if (bytes !== undefined) return parseSignature(bytes, withoutSecrets(place))
  }
  throw new GupperError(
    'untrusted',
    `${file} has no signature (looked for ${places.map(withoutSecrets).join(' and ')})`,
  )
}

/** Where a package's signature is by custom: beside its bytes, else beside its URL. */
function besides({ path, url }: Place): string[] {
  const places = [`${path}.minisig`]
  if (url !== undefined && /^(?:https?|file):/i.test(url) && URL.canParse(url)) {
    const address = new URL(url)
    address.pathname += '.minisig'
    places.push(address.href)
  }
  return places
}
