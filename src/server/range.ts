/** Bytes `start` to `end`, both included. */
export interface ByteRange {
  start: number
  end: number
}

const most = 32

/**
 * Reads a Range field (RFC 9110 §14.1.2, §14.2).
 * @param field "bytes=0-99,-5"
 * @param size of the whole, in bytes
 * @returns the ranges that can be satisfied, in the order asked for; "unsatisfiable" (416) when none can; undefined when
 *   the field has to be ignored: not valid, another unit, or so many or overlapping ranges that the whole is less
 */
export function parseRange(field: string, size: number): ByteRange[] | 'unsatisfiable' | undefined {
  const [, list] = /^bytes\s*=(.*)$/i.exec(field.trim()) ?? []
  if (list === undefined) return undefined
  const specs = list
    .split(',')
    .map((spec) => spec.trim())
    .filter((spec) => spec !== '')
  if (specs.length === 0 || specs.length > most) return undefined
  const ranges: ByteRange[] = []
  for (const spec of specs) {
    const range = parseSpec(spec, size)
    if (range === undefined) return undefined
    if (range.start <= range.end) ranges.push(range)
  }
  if (ranges.length === 0) return 'unsatisfiable'
  const total = ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0)
  return total > size ? undefined : ranges
}

// A range that starts after its end is valid but cannot be satisfied.
function parseSpec(spec: string, size: number): ByteRange | undefined {
  const [, first, last] = /^(\d*)-(\d*)$/.exec(spec) ?? []
  if (first === undefined || last === undefined || (first === '' && last === '')) return undefined
  if (first === '') {
    const length = Number(last)
    // The last bytes of nothing are satisfiable by §14.1.2, but Content-Range has no way to say so.
    if (size === 0 && length > 0) return undefined
    return length === 0
      ? { start: size, end: size - 1 }
      : { start: Math.max(0, size - length), end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? Infinity : Number(last)
  if (end < start) return undefined
  return start >= size ? { start: size, end: size - 1 } : { start, end: Math.min(end, size - 1) }
}

/** The value of Content-Range for a range of a whole. */
export function contentRange({ start, end }: ByteRange, size: number): string {
  return `bytes ${start}-${end}/${size}`
}
