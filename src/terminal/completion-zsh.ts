import {
  families,
  firstWords,
  type CompletionFlag,
  type CompletionVerb,
  type Values,
} from './completion-words.ts'

/** The completion for zsh: a file for $fpath, or for `source <(gupper completion zsh)`. */
export function renderZsh(verbs: readonly CompletionVerb[]): string {
  const command = verbs.filter(({ takesCommand }) => takesCommand).map(({ path }) => quote(path.join(' ')))
  return `#compdef gupper
# Completion of gupper for zsh; made by: gupper completion zsh
_gupper() {
  local verb=$words[2]
  integer dashes
  local -a choices
  if (( CURRENT == 2 )); then
    choices=(
${describe([...firstWords(verbs), ['--help', 'what gupper is, and its verbs'], ['--version', 'its version']])}    )
    _describe -t verbs 'verb of gupper' choices
    return
  fi
  case $verb in
${[...families(verbs)].map(zshFamily).join('')}  esac
  shift words
  (( CURRENT-- ))
  dashes=$words[(i)--]
  if (( dashes < CURRENT )); then
    case $verb in
    ${[...command, "''"].join('|')})
      shift $dashes words
      (( CURRENT -= dashes ))
      _normal
      ;;
    *) _files ;;
    esac
    return
  fi
  case $verb in
${verbs.map(zshVerb).join('')}  esac
}
if [[ $funcstack[1] == _gupper ]]; then
  _gupper "$@"
else
  compdef _gupper gupper
fi
`
}

function zshFamily([name, below]: [string, readonly CompletionVerb[]]): string {
  return `  ${quote(name)})
    if (( CURRENT == 3 )); then
      choices=(
${describe(below.map(({ path, about }) => [path[1] ?? '', about]))}      )
      _describe -t verbs 'verb of gupper ${name}' choices
      return
    fi
    verb="$verb $words[3]"
    shift words
    (( CURRENT-- ))
    ;;
`
}

function describe(words: readonly (readonly [string, string])[]): string {
  return words.map(([word, about]) => `      ${quote(`${word.replaceAll(':', '\\:')}:${about}`)}\n`).join('')
}

function zshVerb({ path, flags, values }: CompletionVerb): string {
  const rest = values === undefined ? [] : [quote(`*:argument:${action(values)}`)]
  const specs = [...flags.flatMap(zshFlag), ...rest]
  return `  ${quote(path.join(' '))})
    _arguments -s -S : \\
${specs.map((spec) => `      ${spec}`).join(' \\\n')}
    ;;
`
}

function zshFlag({ names, about, value, values }: CompletionFlag): string[] {
  const text = `[${about.replace(/[[\]\\]/g, '\\$&')}]`
  if (value === undefined) return names.map((name) => quote(`(${names.join(' ')})${name}${text}`))
  // "=" after a long flag: its value may be the next word or follow the sign; "*": it may be given again.
  return names.map((name) =>
    quote(
      `*${name}${name.startsWith('--') ? '=' : ''}${text}:${value.replaceAll(':', '\\:')}:${action(values)}`,
    ),
  )
}

function action(values: Values): string {
  if (typeof values !== 'string') return `(${values.join(' ')})`
  return { path: '_files', directory: '_files -/', any: ' ' }[values]
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
