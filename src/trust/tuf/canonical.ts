/**
 * Writes a value as canonical JSON, the form that signatures are made over: sorted keys, no white space, and nothing
 * escaped but quotes and backslashes. Deep nesting is the reader's matter (see parseJson).
 * @param value what JSON.parse may return, without fractions
 * @throws TypeError on what this form cannot say: fractions, numbers that lost digits, half characters
 * @see http://wiki.laptop.org/go/Canonical_JSON (TUF 1.0.34, section 4.2)
 */
export function canonicalize(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value)
    case 'boolean':
      return String(value)
    case 'number':
      if (!Number.isSafeInteger(value)) throw new TypeError(`${value} is not a whole number`)
      return String(value)
    case 'object':
      if (value === null) return 'null'
      if (Array.isArray(value)) return `[${value.map(canonicalize).join(',')}]`
      return writeObject(value as Record<string, unknown>)
    default:
      throw new TypeError(`${typeof value} cannot be written as JSON`)
  }
}

function writeObject(value: Record<string, unknown>): string {
  const keys = Object.keys(value).sort(byCodePoint)
  let text = ''
  for (const key of keys) {
    const member = value[key]
    if (member === undefined) continue
    text += `${text === '' ? '' : ','}${quote(key)}:${canonicalize(member)}`
  }
  return `{${text}}`
}

function quote(text: string): string {
  if (!text.isWellFormed()) throw new TypeError('a text has half a character')
  return `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`
}

// UTF-16 puts the characters beyond U+FFFF before U+E000; other languages do not.
function byCodePoint(a: string, b: string): number {
  if (a === b) return 0
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)]
    if (one === other) continue
    const [high, otherHigh] = [one >= 0xd800 && one <= 0xdfff, other >= 0xd800 && other <= 0xdfff]
    return high === otherHigh ? one - other : high ? 1 : -1
  }
  return a.length - b.length
}
