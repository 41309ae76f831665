import { createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto'
import { GupperError } from '../errors.ts'

/** A minisign public key. */
export interface MinisignKey {
  /** 16 hexadecimal digits, as `minisign` prints them. */
  id: string
  key: KeyObject
}

/** A minisign signature file, read but not yet believed. */
export interface MinisignSignature {
  /** The key it says it was made with. */
  id: string
  /** Over the BLAKE2b-512 of the file (true), or over the file itself, as minisign did before 0.6 (false). */
  prehashed: boolean
  signature: Buffer
  comment: string
  /** What the global signature covers: the signature and the bytes of the trusted comment. */
  covered: Buffer
  global: Buffer
}

// RFC 8410: an Ed25519 SubjectPublicKeyInfo is this prefix and the 32 bytes of the key.
const spki = Buffer.from('302a300506032b6570032100', 'hex')

/**
 * Reads a minisign public key (https://jedisct1.github.io/minisign/, "Public key format").
 * @param text the base64 line alone, or the whole file with its untrusted comment
 * @param from where it came from, for complaints
 * @throws GupperError `config` (78) when it is not one
 */
export function parseKey(text: string, from: string): MinisignKey {
  const lines = text.trim().split(/\r?\n/)
  const line =
    lines.length === 1 ? lines[0] : lines[0]?.startsWith('untrusted comment:') ? lines[1] : undefined
  const bytes = decode(line ?? '', 42)
  if (lines.length > 2 || bytes?.toString('latin1', 0, 2) !== 'Ed')
    throw new GupperError('config', `${from} is not a minisign public key`, {
      hint: 'give the .pub file or its base64 line, as `minisign -G` writes it',
    })
  const der = Buffer.concat([spki, bytes.subarray(10)])
  return { id: keyId(bytes), key: createPublicKey({ key: der, format: 'der', type: 'spki' }) }
}

/** Whether a text is a public key itself and not the name of a file that holds one. */
export function isKey(text: string): boolean {
  return decode(text.trim(), 42)?.toString('latin1', 0, 2) === 'Ed' || text.startsWith('untrusted comment:')
}

/**
 * Reads a signature file (https://jedisct1.github.io/minisign/, "Signature format").
 * @param bytes the four lines: untrusted comment, signature, trusted comment, global signature
 * @param from its path or URL, for complaints
 * @throws GupperError `untrusted` (77) when it is not one, e.g. cut short
 */
export function parseSignature(bytes: Buffer, from: string): MinisignSignature {
  // latin1 keeps every byte of the comment as it was signed.
  const lines = bytes.toString('latin1').trimEnd().split(/\r?\n/)
  const [untrusted = '', first = '', trusted = '', last = ''] = lines
  const signed = decode(first, 74)
  const global = decode(last, 64)
  const algorithm = signed?.toString('latin1', 0, 2)
  const prefix = 'trusted comment: '
  if (
    lines.length !== 4 ||
    !untrusted.startsWith('untrusted comment:') ||
    !trusted.startsWith(prefix) ||
    signed === undefined ||
    global === undefined ||
    (algorithm !== 'ED' && algorithm !== 'Ed')
  )
    throw new GupperError('untrusted', `${from} is not a whole minisign signature`)
  const signature = signed.subarray(10)
  const comment = Buffer.from(trusted.slice(prefix.length), 'latin1')
  return {
    id: keyId(signed),
    prehashed: algorithm === 'ED',
    signature,
    comment: comment.toString('utf8'),
    covered: Buffer.concat([signature, comment]),
    global,
  }
}

/**
 * Checks a signature: made with this key, over this message, and with this trusted comment.
 * @param message the BLAKE2b-512 of the file when the signature is prehashed, else the whole file
 * @param file what the message stands for, for complaints
 * @throws GupperError `untrusted` (77) saying which of the three does not hold
 */
export function checkSignature(
  signature: MinisignSignature,
  key: MinisignKey,
  message: Buffer,
  file: string,
): void {
  if (signature.id !== key.id)
    throw new GupperError('untrusted', `${file} was signed with key ${signature.id}, not with ${key.id}`)
  if (!verifySignature(null, message, key.key, signature.signature))
    throw new GupperError('untrusted', `the signature of ${file} by key ${key.id} is wrong`)
  if (!verifySignature(null, signature.covered, key.key, signature.global))
    throw new GupperError('untrusted', `the trusted comment of the signature of ${file} has been changed`)
}

/** Strict base64 of exactly `size` bytes; Buffer.from alone would pass over foreign characters. */
function decode(text: string, size: number): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64')
  return bytes.length === size && bytes.toString('base64') === text ? bytes : undefined
}

/** Bytes 2 to 9 of a key or signature, little-endian, as `minisign` prints them. */
function keyId(bytes: Buffer): string {
  return bytes.readBigUInt64LE(2).toString(16).toUpperCase().padStart(16, '0')
}
