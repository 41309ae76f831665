import { createHash } from 'node:crypto'
import type { Envelope, Meta, Signed } from '../trust/tuf/model.ts'

export const specVersion = '1.0.34'

/**
 * Writes metadata as the bytes of its file: compact, since every client downloads it; members of `targets` and `meta` in
 * order, so that two versions can be compared.
 */
export function writeEnvelope({ signatures, signed, ...more }: Envelope): Buffer {
  return Buffer.from(`${JSON.stringify({ signatures, signed: inOrder(signed), ...more })}\n`)
}

function inOrder<T extends Signed>(signed: T): T {
  const sorted: Record<string, unknown> = { ...signed }
  for (const field of ['targets', 'meta'])
    if (typeof signed[field] === 'object' && signed[field] !== null)
      sorted[field] = Object.fromEntries(
        Object.entries(signed[field]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
      )
  return sorted as T
}

/** What the file that refers to these bytes says of them. */
export function describe(version: number, bytes: Buffer): Meta {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { version, length: bytes.length, hashes: { sha256 } }
}
