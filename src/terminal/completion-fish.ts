import {
  families,
  firstWords,
  type CompletionFlag,
  type CompletionVerb,
  type Values,
} from './completion-words.ts'

/** The completion for fish, from 3.1 up. */
export function renderFish(verbs: readonly CompletionVerb[]): string {
  const lines = [
    '# Completion of gupper for fish; made by: gupper completion fish',
    '# Whether the words before the cursor are gupper and exactly these.',
    'function __gupper_at',
    '  set -l words (commandline -opc)',
    '  test "$words[2..-1]" = "$argv"',
    'end',
    '# Whether they start with gupper and these, and no -- has come.',
    'function __gupper_in',
    '  set -l words (commandline -opc)',
    '  contains -- -- $words; and return 1',
    '  test (count $words) -gt (count $argv); and test "$words[2.."(math 1 + (count $argv))"]" = "$argv"',
    'end',
    'complete -c gupper -e',
    'complete -c gupper -f',
    "complete -c gupper -n __gupper_at -l help -d 'what gupper is, and its verbs'",
    "complete -c gupper -n __gupper_at -l version -d 'its version'",
  ]
  for (const [word, about] of firstWords(verbs))
    lines.push(`complete -c gupper -n __gupper_at -a ${word} -d ${quote(about)}`)
  for (const [name, below] of families(verbs))
    for (const { path, about } of below)
      lines.push(`complete -c gupper -n '__gupper_at ${name}' -a ${path[1] ?? ''} -d ${quote(about)}`)
  for (const verb of verbs) lines.push(...fishVerb(verb))
  return `${lines.join('\n')}\n`
}

function fishVerb({ path, flags, values, takesCommand }: CompletionVerb): string[] {
  const words = path.join(' ')
  const here = `complete -c gupper -n '__gupper_in ${words}'`
  const lines = flags.map((flag) => `${here} ${fishFlag(flag)}`)
  const rest = values === undefined ? '' : fishValues(values)
  if (rest !== '') lines.push(`${here} ${rest}`)
  if (takesCommand) lines.push(`complete -c gupper -n 'contains -- -- (commandline -opc)' -F`)
  return lines
}

function fishFlag({ names, about, value, values }: CompletionFlag): string {
  const spelled = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const wanted = value === undefined ? '' : ` -r ${fishValues(values) || '-f'}`
  return `${spelled.join(' ')}${wanted} -d ${quote(about)}`
}

function fishValues(values: Values): string {
  if (typeof values !== 'string') return `-f -a ${quote(values.join(' '))}`
  return { path: '-F', directory: "-f -a '(__fish_complete_directories)'", any: '' }[values]
}

function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}
