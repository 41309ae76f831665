/** A word as a POSIX shell takes it, whatever is in it; a plain one stays as it is. */
export function quoteWord(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
