/** A source of random numbers that gives the same ones for the same seed (mulberry32). */
export interface Random {
  seed: number
  /** A whole number from 0, below `limit`. */
  below(limit: number): number
  pick<T>(list: readonly T[]): T
}

/** Starts one from GUPPER_TEST_SEED, else anew; the tests print the seed where they fail. */
export function createRandom(seed = Number(process.env.GUPPER_TEST_SEED ?? Date.now() % 1e9)): Random {
  let state = seed
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
  return { seed, below, pick: <T>(list: readonly T[]) => list[below(list.length)] as T }
}
