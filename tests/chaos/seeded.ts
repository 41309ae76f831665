/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Random numbers, and how many kills are wanted, from SEED and RUNS; both are told, so that a run can be repeated. */
export function readPlan(what: string, runs: number): { random: () => number; kills: number } {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
  const kills = Number(process.env.RUNS ?? runs)
  console.log(`${what}: seed ${seed}, ${kills} kills`)
  return { random: seeded(seed), kills }
}
