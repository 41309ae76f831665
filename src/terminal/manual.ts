/** One flag, as the manual shows it. */
export interface ManualFlag {
  names: readonly string[]
  /** The word for its value; undefined for a flag that is on or off. */
  value: string | undefined
  description: string
}

/** One verb, as the manual shows it. */
export interface ManualVerb {
  path: readonly string[]
  category: string
  synopsis: string
  description: string
  details: string
  flags: readonly ManualFlag[]
  examples: readonly (readonly [about: string, command: string])[]
}

/** A term and what it means: a file, a variable, an exit status. */
export type Term = readonly [term: string, meaning: string]

/** All that is to be said. */
export interface Manual {
  name: string
  about: string
  version: string
  synopsis: readonly string[]
  /** Paragraphs. */
  description: readonly string[]
  verbs: readonly ManualVerb[]
  statuses: readonly Term[]
  environment: readonly Term[]
  files: readonly Term[]
  seeAlso: readonly string[]
}

/**
 * Writes a manual page in the macros of man(7), which groff and mandoc both read.
 * @returns roff in ASCII
 */
export function renderManual(manual: Manual): string {
  const { name, about, version, verbs } = manual
  const shared = sharedFlags(verbs)
  const lines = [
    `.\\" Made by: ${name} man`,
    `.TH ${quote(name.toUpperCase())} 1 "" ${quote(`${name} ${version}`)} "User Commands"`,
    // No justified lines, no hyphens put into commands.
    '.ad l',
    '.nh',
    '.SH NAME',
    `${text(name)} \\- ${text(about)}`,
    '.SH SYNOPSIS',
    ...manual.synopsis.flatMap((line) => [`.B ${quote(line)}`, '.br']).slice(0, -1),
    '.SH DESCRIPTION',
    ...manual.description.flatMap((paragraph) => ['.PP', text(paragraph)]),
    ...categories(verbs).flatMap(([category, members]) => [
      `.SH ${quote(category.toUpperCase())}`,
      ...members.flatMap((verb) => renderVerb(verb, shared)),
    ]),
    `.SH ${quote('FLAGS OF EVERY VERB')}`,
    ...[...shared.values()].flatMap(renderFlag),
    `.SH ${quote('EXIT STATUS')}`,
    ...manual.statuses.flatMap(renderTerm),
    '.SH ENVIRONMENT',
    ...manual.environment.flatMap(renderTerm),
    '.SH FILES',
    ...manual.files.flatMap(renderTerm),
    `.SH ${quote('SEE ALSO')}`,
    text(manual.seeAlso.join(', ')),
  ]
  return `${lines.join('\n')}\n`
}

function renderVerb(verb: ManualVerb, shared: ReadonlyMap<string, ManualFlag>): string[] {
  const own = verb.flags.filter(({ names }) => !shared.has(names.join(',')))
  return [
    `.SS ${quote(verb.synopsis)}`,
    text(sentence(verb.description)),
    ...verb.details
      .split('\n')
      .filter((paragraph) => paragraph !== '')
      .flatMap((paragraph) => ['.PP', text(paragraph)]),
    ...own.flatMap(renderFlag),
    ...verb.examples.flatMap(([about, command]) => [
      '.PP',
      text(`${about}:`),
      '.PP',
      '.RS 4',
      '.nf',
      ...command.split('\n').map(text),
      '.fi',
      '.RE',
    ]),
  ]
}

function renderFlag({ names, value, description }: ManualFlag): string[] {
  const words = names.map((name) => `\\fB${text(name)}\\fR`).join(', ')
  return ['.TP', value === undefined ? words : `${words} \\fI${text(value)}\\fR`, text(ofFlag(description))]
}

function renderTerm([term, meaning]: Term): string[] {
  return ['.TP', `\\fB${text(term)}\\fR`, text(sentence(meaning))]
}

/** The flags that all verbs have, told once. */
function sharedFlags(verbs: readonly ManualVerb[]): Map<string, ManualFlag> {
  const [first, ...others] = verbs.map(
    ({ flags }) => new Map(flags.map((flag) => [flag.names.join(','), flag])),
  )
  const common = [...(first ?? [])].filter(([names]) => others.every((flags) => flags.has(names)))
  return new Map(common)
}

function categories(verbs: readonly ManualVerb[]): [string, ManualVerb[]][] {
  return [...Map.groupBy(verbs, ({ category }) => category || 'Verbs')]
}

/** What begins with the values themselves, "raw, tar.gz, …", is left as it is: they are written so and not otherwise. */
function ofFlag(description: string): string {
  return /^[\w.-]+, /.test(description) ? `${description}.` : sentence(description)
}

/** Descriptions are written without a full stop, for tables; here they are sentences. */
function sentence(words: string): string {
  const start = words.charAt(0).toUpperCase() + words.slice(1)
  return /[.!?:]$/.test(start) ? start : `${start}.`
}

/** A line of text: nothing in it is taken for a request or an escape, and it is ASCII (groff_char(7)). */
function text(words: string): string {
  const plain = words
    .replaceAll('\n', ' ')
    .replaceAll('\\', '\\e')
    .replace(/[-'`^~]/g, (char) => named[char] ?? char)
    .replace(
      /[^\x20-\x7e]/gu,
      (char) => `\\[u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`,
    )
  return plain.startsWith('.') ? `\\&${plain}` : plain
}

const named: Readonly<Record<string, string>> = {
  '-': '\\-',
  "'": '\\(aq',
  '`': '\\(ga',
  '^': '\\(ha',
  '~': '\\(ti',
}

/** An argument of a macro. */
function quote(words: string): string {
  return `"${text(words).replaceAll('"', '\\(dq')}"`
}
