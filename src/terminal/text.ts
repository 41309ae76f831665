// Controls; what turns the direction of writing, breaks a line or cannot be seen at all; halves of letters.
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff\p{Surrogate}]/gu

/** Makes any text safe to show on one line: what could do something to a terminal or hide in it is spelled out. */
export function printable(text: string): string {
  return text.replace(
    unsafe,
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

// Wide characters (CJK, emoji) take two columns of a terminal, combining ones none; a flag is a pair of narrow ones.
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|(?!\p{Regional_Indicator})\p{Emoji_Presentation}/u
const none = /[\p{Mn}\p{Me}\u200b-\u200d]/u

/** How many columns of a terminal a text takes. */
export function widthOf(text: string): number {
  let width = 0
  for (const char of text) width += none.test(char) ? 0 : wide.test(char) ? 2 : 1
  return width
}

/** Shortens a text to so many columns; an ellipsis stands for what is left out. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let kept = ''
  let width = 1
  for (const char of text) {
    width += widthOf(char)
    if (width > columns) break
    kept += char
  }
  return columns > 0 ? `${kept}…` : ''
}
