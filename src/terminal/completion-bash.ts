import { families, firstWords, type CompletionVerb, type Values } from './completion-words.ts'

/** The completion for bash, from 3.2 (where it completes verbs and flags, and every file) up. */
export function renderBash(verbs: readonly CompletionVerb[]): string {
  const first = [...firstWords(verbs).keys(), '--help', '--version']
  const command = verbs.filter(({ takesCommand }) => takesCommand).map(({ path }) => quote(path.join(' ')))
  return `# Completion of gupper for bash; made by: gupper completion bash
# shellcheck shell=bash disable=SC2207
_gupper() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local verb=\${COMP_WORDS[1]-} kind='' words='' flags='' i
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W ${quote(first.join(' '))} -- "$cur"))
    return
  fi
  case $verb in
${[...families(verbs)].map(bashFamily).join('')}  esac
  # --flag=value arrives in three words.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]] && ((COMP_CWORD > 2)); then
    prev=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 2; i < COMP_CWORD; i++)); do
    [[ \${COMP_WORDS[i]} == -- ]] || continue
    case $verb in
    ${[...command, "''"].join(' | ')}) ((COMP_CWORD > i + 1)) || COMPREPLY=($(compgen -c -- "$cur")) ;;
    esac
    compopt -o default 2>/dev/null
    return
  done
  case $verb in
${verbs.map(bashVerb).join('')}  esac
  if [[ $cur == -* && $kind != value:* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  case $kind in
  *words) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
  *path) compopt -o default 2>/dev/null ;;
  *directory) compopt -o dirnames 2>/dev/null ;;
  esac
}
if type compopt >/dev/null 2>&1; then
  complete -F _gupper gupper
else
  complete -o default -F _gupper gupper
fi
`
}

function bashFamily([name, below]: [string, readonly CompletionVerb[]]): string {
  const words = below.map(({ path }) => path[1] ?? '').join(' ')
  return `  ${quote(name)})
    if ((COMP_CWORD == 2)); then
      COMPREPLY=($(compgen -W ${quote(words)} -- "$cur"))
      return
    fi
    verb="$verb \${COMP_WORDS[2]}"
    ;;
`
}

function bashVerb({ path, flags, values }: CompletionVerb): string {
  const names = flags.flatMap(({ names }) => names).join(' ')
  const valued = flags
    .filter(({ value }) => value !== undefined)
    .map(({ names, values }) => `    ${names.join(' | ')}) ${bashKind(values, 'value:')} ;;\n`)
  const cases = valued.length > 0 ? `    case $prev in\n${valued.join('')}    esac\n` : ''
  const rest = values === undefined ? '' : `    ${bashKind(values, '')}\n`
  return `  ${quote(path.join(' '))})
    flags=${quote(names)}
${rest}${cases}    ;;
`
}

function bashKind(values: Values, prefix: string): string {
  return typeof values === 'string'
    ? `kind=${prefix}${values}`
    : `kind=${prefix}words words=${quote(values.join(' '))}`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
