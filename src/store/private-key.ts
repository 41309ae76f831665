import { closeSync, constants, openSync, readSync } from 'node:fs'
import { basename } from 'node:path'

// The retired keys of `gupper trust rotate` too. The name is asked first: nothing else is opened.
const named = /\.(pem|key)(\.retired)?$/i
const block = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
const most = 256 << 10 // bytes that are looked at: a key comes at most after some certificates

// Without hanging on a pipe; Windows does not know the flag: undefined counts as 0 here.
const flags = constants.O_RDONLY | constants.O_NONBLOCK

/**
 * Whether a file is a private key that nobody meant to give away: named *.pem or *.key, and with such a block (RFC 7468).
 * @param path where the bytes are
 * @param name what the file is called, where that differs
 * @returns false for what cannot be read, and so cannot be given away either
 */
export function isPrivateKey(path: string, name = basename(path)): boolean {
  if (!named.test(name)) return false
  const buffer = Buffer.alloc(most)
  try {
    const file = openSync(path, flags)
    try {
      return block.test(buffer.toString('latin1', 0, readSync(file, buffer, 0, most, 0)))
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}
