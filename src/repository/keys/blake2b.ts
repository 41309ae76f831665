// RFC 7693, appendix D.1 and section 2.7.
const start = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
]
const order = [
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
  [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
  [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
  [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
  [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
  [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
  [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
  [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
  [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
]
// Columns, then diagonals.
const quarters = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
]
const block = 128

/**
 * BLAKE2b with 32 bytes of output, without a key (RFC 7693), of what fits into one block. Node's own has 64 bytes of
 * output only, and the shorter one is no part of it.
 * @param bytes at most 128
 */
export function blake2b256(bytes: Uint8Array): Buffer {
  if (bytes.length > block) throw new RangeError(`${bytes.length} bytes are more than one block`)
  const padded = Buffer.alloc(block)
  padded.set(bytes)
  const words = Array.from({ length: 16 }, (_, at) => padded.readBigUInt64LE(8 * at))
  const state = BigUint64Array.from(start)
  const parameters = 0x01010000n | 32n
  state[0] = (state[0] ?? 0n) ^ parameters
  const v = BigUint64Array.from([...state, ...start])
  v[12] = (v[12] ?? 0n) ^ BigInt(bytes.length)
  v[14] = ~(v[14] ?? 0n)
  for (let round = 0; round < 12; round++)
    for (const [at, quarter] of quarters.entries()) {
      const of = (side: number): bigint => words[order[round % 10]?.[2 * at + side] ?? 0] ?? 0n
      mix(v, quarter, of(0), of(1))
    }
  const out = Buffer.alloc(64)
  for (let at = 0; at < 8; at++)
    out.writeBigUInt64LE((state[at] ?? 0n) ^ (v[at] ?? 0n) ^ (v[at + 8] ?? 0n), 8 * at)
  return out.subarray(0, 32)
}

function mix(v: BigUint64Array, [a = 0, b = 0, c = 0, d = 0]: readonly number[], x: bigint, y: bigint): void {
  const get = (at: number): bigint => v[at] ?? 0n
  v[a] = get(a) + get(b) + x
  v[d] = turn(get(d) ^ get(a), 32n)
  v[c] = get(c) + get(d)
  v[b] = turn(get(b) ^ get(c), 24n)
  v[a] = get(a) + get(b) + y
  v[d] = turn(get(d) ^ get(a), 16n)
  v[c] = get(c) + get(d)
  v[b] = turn(get(b) ^ get(c), 63n)
}

// An array of 64-bit words cuts off what goes beyond them.
const turn = (word: bigint, by: bigint): bigint => (word >> by) | (word << (64n - by))
