/**
 * Canonical JSON as TUF's signatures need it (http://wiki.laptop.org/go/Canonical_JSON), written apart from src/ so that
 * a mistake there cannot hide itself.
 */
export function canonical(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return quote(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`${value} has no canonical form`)
    return String(value)
  }
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object') throw new TypeError(`${typeof value} has no canonical form`)
  const members = Object.entries(value)
    .sort(([one], [other]) => Buffer.compare(Buffer.from(one), Buffer.from(other)))
    .map(([name, member]) => `${quote(name)}:${canonical(member)}`)
  return `{${members.join(',')}}`
}

// Only the backslash and the quotation mark are escaped; a line feed stands as itself.
const quote = (text: string): string => `"${text.replace(/[\\"]/g, '\\$&')}"`
