/** Makes any text safe to show: control characters, and what turns the direction of writing, are spelled out. */
export function printable(text: string): string {
  return text.replace(
     
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) =>
      ({ '\n': '\\n', '\t': '\\t', '\r': '\\r' })[char] ??
      `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** A number of bytes for people: "6.8 MB" (powers of 1000). */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${unit > 0 && value < 99.5 ? value.toFixed(1) : Math.round(value)} ${units[unit] ?? ''}`
}

/** A number of seconds for people: "3 s", "4 min 10 s", "2 h 5 min". */
export function formatSeconds(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** Wraps a text in the codes of a colour when colours are wanted. */
export function paint(
  text: string,
  color: 'red' | 'yellow' | 'green' | 'dim' | 'bold',
  wanted: boolean,
): string {
  if (!wanted) return text
  const code = { red: 31, yellow: 33, green: 32, dim: 2, bold: 1 }[color]
  return `\u001b[${code}m${text}\u001b[0m`
}

// Wide characters (CJK, emoji) take two columns of a terminal, combining ones none.
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}]/u
const none = /\p{Mark}/u

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text) width += none.test(char) ? 0 : wide.test(char) ? 2 : 1
  return width
}
