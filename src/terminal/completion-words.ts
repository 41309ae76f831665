/** What may stand for a value: a path, a directory, one of some words, or something nobody can guess. */
export type Values = 'path' | 'directory' | 'any' | readonly string[]

/** One flag, as the shells need it. */
export interface CompletionFlag {
  /** All its spellings: ["-q", "--quiet"]. */
  names: readonly string[]
  about: string
  /** The word for its value, "PATH"; undefined for a flag that is on or off. */
  value: string | undefined
  values: Values
}

/** One verb, as the shells need it. */
export interface CompletionVerb {
  /** ["cache", "ls"] */
  path: readonly string[]
  about: string
  flags: readonly CompletionFlag[]
  /** What its arguments may be; undefined where it takes none. */
  values: Values | undefined
  /** Whether the words after `--` are a command. */
  takesCommand: boolean
}

/** The first words, each with what it is about: a verb that has verbs below it counts once. */
export function firstWords(verbs: readonly CompletionVerb[]): Map<string, string> {
  const words = new Map<string, string>()
  for (const { path, about } of verbs) {
    const [first = ''] = path
    const below =
      path.length > 1 ? verbs.filter((verb) => verb.path[0] === first).map(({ path }) => path[1]) : []
    if (!words.has(first)) words.set(first, below.length > 0 ? below.join(', ') : about)
  }
  return words
}

/** The verbs that have verbs below them: "cache" → the verbs of "cache ls", "cache prune". */
export function families(verbs: readonly CompletionVerb[]): Map<string, CompletionVerb[]> {
  return Map.groupBy(
    verbs.filter(({ path }) => path.length > 1),
    ({ path }) => path[0] ?? '',
  )
}
