import { createPrivateKey, createPublicKey, scrypt, type KeyObject } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { GupperError, explaining } from '../../errors.ts'
import { parseKey } from '../../trust/minisign.ts'
import { blake2b256 } from './blake2b.ts'

/** A minisign secret key, opened. */
export interface MinisignSecret {
  /** 16 hexadecimal digits, as `minisign` prints them. */
  id: string
  /** Bytes 2 to 9 of everything it signs. */
  number: Buffer
  half: KeyObject
  /** Its public half as `minisign` writes it: the base64 line. */
  public: string
  /** The file it is from. */
  path: string
}

// RFC 8410: an Ed25519 private key in PKCS#8 is this prefix and the 32 bytes of the seed.
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex')
const size = 158 // bytes: three algorithms, salt, two limits, then the key's number, its 64 bytes and their checksum
const sealed = 54 // where what is encrypted begins
const largest = 64 << 10 // bytes of a key file

/**
 * Reads a secret key as `minisign -G` writes it (https://jedisct1.github.io/minisign/, "Secret key format").
 * @param passphrase asked where the key is encrypted, and only then
 * @throws GupperError `config` (78) where the file holds none, or another passphrase opens it; `cannot-read` (69)
 */
export async function readMinisignSecret(
  path: string,
  passphrase: () => Promise<string | undefined>,
): Promise<MinisignSecret> {
  const bytes = parse(await readSmall(path), path)
  const kdf = bytes.toString('latin1', 2, 4)
  if (kdf === 'Sc') {
    const phrase = await passphrase()
    if (phrase === undefined)
      throw new GupperError('config', `the key ${path} is encrypted, and no passphrase is given`, {
        hint: 'give it with --passphrase-file FILE, the variable GUPPER_PASSPHRASE, or --passphrase to be asked',
      })
    const stream = await derive(bytes, phrase, path)
    for (const [at, byte] of stream.entries()) bytes[sealed + at] = (bytes[sealed + at] ?? 0) ^ byte
    if (!checksum(bytes).equals(bytes.subarray(126)))
      throw new GupperError('config', `wrong passphrase for the key ${path}`)
  } else if (kdf !== '\0\0' || !isWhole(bytes))
    throw new GupperError('config', `${path} is no minisign secret key that can be used here`)
  const half = createPrivateKey({
    key: Buffer.concat([pkcs8, bytes.subarray(62, 94)]),
    format: 'der',
    type: 'pkcs8',
  })
  const raw = createPublicKey(half).export({ type: 'spki', format: 'der' }).subarray(-32)
  if (!raw.equals(bytes.subarray(94, 126)))
    throw new GupperError('config', `the key ${path} is damaged: its two halves do not belong together`)
  const number = Buffer.from(bytes.subarray(sealed, 62))
  const line = Buffer.concat([Buffer.from('Ed'), number, raw]).toString('base64')
  return { id: parseKey(line, path).id, number, half, public: line, path }
}

// Before it is read: a device or a huge file would never end.
async function readSmall(path: string): Promise<string> {
  return explaining(
    `cannot read the key ${path}`,
    async () => {
      const found = await stat(path)
      if (!found.isFile() || found.size > largest)
        throw new GupperError('config', `${path} is not a minisign secret key`)
      return readFile(path, 'latin1')
    },
    true,
  )
}

function parse(text: string, path: string): Buffer {
  const [comment = '', line = ''] = text.split(/\r?\n/)
  const bytes = Buffer.from(line, 'base64')
  const isKey = bytes.length === size && bytes.toString('latin1', 0, 2) === 'Ed'
  if (comment.startsWith('untrusted comment:') && isKey && bytes.toString('latin1', 4, 6) === 'B2')
    return bytes
  const isPublic = /^(untrusted comment:.*\r?\n)?RW[\w+/]{54}\s*$/.test(text)
  throw new GupperError('config', `${path} is ${isPublic ? 'a public key' : 'not a minisign secret key'}`, {
    hint: 'give the file that `minisign -G` calls the secret key, by default ~/.minisign/minisign.key',
  })
}

/** BLAKE2b-256 of the algorithm, the key's number and the key. */
function checksum(bytes: Buffer): Buffer {
  return blake2b256(Buffer.concat([bytes.subarray(0, 2), bytes.subarray(sealed, 126)]))
}

// minisign writes none where nothing is encrypted; other programs do.
function isWhole(bytes: Buffer): boolean {
  const there = bytes.subarray(126)
  return there.every((byte) => byte === 0) || checksum(bytes).equals(there)
}

const most = 2 << 10 // MiB of memory; what minisign itself takes is 1024
const longest = 16 // times the work that minisign itself takes

async function derive(bytes: Buffer, passphrase: string, path: string): Promise<Buffer> {
  const limits = [bytes.readBigUInt64LE(38), bytes.readBigUInt64LE(46)] as const
  const { n, r, p } = costOf(...limits)
  const memory = 128n * r * (n + p + 2n)
  if (memory >> 20n > BigInt(most) || n * p > BigInt(longest) << 20n)
    throw new GupperError('config', `to open the key ${path} would take too much`, {
      hint: `up to ${most >> 10} GiB of memory and ${longest} times the work of minisign's own keys are spent on it`,
    })
  const cost = { N: Number(n), r: Number(r), p: Number(p), maxmem: Number(memory) + (1 << 20) }
  return new Promise((resolve, reject) => {
    scrypt(passphrase, bytes.subarray(6, 38), size - sealed, cost, (error, key) => {
      if (error === null) resolve(key)
      else
        reject(
          new GupperError('config', `cannot open the key ${path}: ${error.message}`, {
            cause: error,
            hint: `it takes ${memory >> 20n} MiB of memory`,
          }),
        )
    })
  })
}

/**
 * What scrypt is to be given for libsodium's two limits (crypto_pwhash_scryptsalsa208sha256, pickparams).
 * @param opslimit how much work
 * @param memlimit bytes of memory
 */
export function costOf(opslimit: bigint, memlimit: bigint): { n: bigint; r: bigint; p: bigint } {
  const ops = opslimit < 32_768n ? 32_768n : opslimit
  const r = 8n
  const byWork = ops < memlimit / 32n
  const most = byWork ? ops / (r * 4n) : memlimit / (r * 128n)
  let log = 1n
  while (log < 63n && 1n << log <= most / 2n) log++
  const n = 1n << log
  if (byWork) return { n, r, p: 1n }
  const rp = ops / 4n / n
  return { n, r, p: (rp > 0x3fffffffn ? 0x3fffffffn : rp) / r }
}
