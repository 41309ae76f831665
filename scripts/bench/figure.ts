/** One row of the table: a figure of ours, its ratio to a peer in the same run, and what it has to reach. */
export interface Figure {
  what: string
  against: string
  /** Ours and the peer's, with their units. */
  measured: string
  peer: string
  ratio: number
  /** What is better: less (time, memory) or more (rate). */
  better: 'less' | 'more'
  reach: string
  good: boolean
}

/** A row that could not be measured here, and why. */
export interface Missing {
  what: string
  missing: string
}

/** What a part of the bench does: its name on the command line, the tools it needs, its rows one by one. */
export interface Part {
  name: string
  needs: readonly string[]
  measure(work: string): AsyncGenerator<Figure | Missing>
}

interface Comparison {
  what: string
  against: string
  ours: number
  theirs: number
  /** How a number is written, with its unit. */
  unit: (value: number) => string
}

/** A figure of which less is better: time or memory. */
export function atMost(limit: number, { what, against, ours, theirs, unit }: Comparison): Figure {
  const ratio = ours / theirs
  const reach = `≤ ${limit} ×`
  const good = ratio <= limit
  return { what, against, measured: unit(ours), peer: unit(theirs), ratio, better: 'less', reach, good }
}

/** A figure of which more is better: a rate. */
export function atLeast(limit: number, comparison: Comparison): Figure {
  const ratio = comparison.ours / comparison.theirs
  return { ...atMost(limit, comparison), better: 'more', reach: `≥ ${limit} ×`, good: ratio >= limit }
}

/**
 * Runs the competitors one after the other, again and again, so that what else the machine does hits them alike.
 * @returns the median of each, in their order; the first round only warms up
 */
export async function alternate(rounds: number, ...measures: (() => Promise<number>)[]): Promise<number[]> {
  const values = measures.map((): number[] => [])
  for (let round = 0; round <= rounds; round++)
    for (const [index, measure] of measures.entries()) {
      const value = await measure()
      if (round > 0) values[index]?.push(value)
    }
  return values.map(median)
}

/** The middle of numbers. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const high = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? high : (high + (sorted[middle - 1] ?? high)) / 2
}

/** Milliseconds. */
export const ms = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} ms`
/** Megabytes, of bytes. */
export const megabytes = (value: number): string => `${(value / 1e6).toFixed(0)} MB`
/** Requests a second. */
export const perSecond = (value: number): string => `${(value / 1000).toFixed(1)} k/s`
