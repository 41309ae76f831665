// RFC 3339, section 5.6: what every language reads alike, which Date.parse alone would not hold to.
const form =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** Whether a value is a time as records hold it: "2026-11-20T10:00:00Z". */
export function isTime(value: unknown): value is string {
  return typeof value === 'string' && form.test(value)
}

/** Writes a time as records hold it, in whole seconds. */
export function formatTime(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z')
}
