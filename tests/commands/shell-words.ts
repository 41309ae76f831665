/** A call of gupper, as it stands in a line of shell. */
export interface Call {
  /** The words after "gupper". */
  words: string[]
  /** Whether something is piped into it. */
  fed: boolean
}

interface Token {
  text: string
  operator: boolean
}

/**
 * Finds the calls of gupper in shell text: in pipes, in $( ) and <( ), behind `exec` and the fields of a crontab. It knows
 * as much of the shell as examples use: quotes, comments, redirections, and a backslash at the end of a line.
 * @param text one line or more
 */
export function callsIn(text: string): Call[] {
  const calls: Call[] = []
  let call: Call | undefined
  let before = ''
  let start = true
  let skip = false
  for (const { text: word, operator } of tokensOf(text)) {
    if (operator) {
      skip = word === '>' || word === '<'
      // A redirection belongs to the call, all else ends it.
      if (!skip) [call, before, start] = [undefined, word, true]
    } else if (skip) skip = false
    else if (call) call.words.push(word)
    else if (start && word === 'gupper') calls.push((call = { words: [], fed: before === '|' }))
    else start &&= /^(exec|do|then|[\d*/]+)$/.test(word)
  }
  return calls
}

const pieces = new RegExp(
  [
    '(?<comment>(?<=^|\\s)#.*)',
    '(?<space>[ \\t]+|\\\\\\n|\\d?>&\\d)',
    '(?<operator>&&|\\|\\||(?<!\\S)\\d>|>|<\\(?|[|;&()\\n])',
    "'(?<single>[^']*)'",
    '"(?<double>[^"]*)"',
    '\\\\(?<escaped>.)',
    '(?<plain>.)',
  ].join('|'),
  'gm',
)

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let word: string | undefined
  const end = (): void => {
    if (word !== undefined) tokens.push({ text: word, operator: false })
    word = undefined
  }
  for (const { groups = {} } of text.matchAll(pieces)) {
    const { operator, space, comment } = groups
    if (operator !== undefined || space !== undefined || comment !== undefined) end()
    if (operator !== undefined) tokens.push({ text: operator.replace(/^\d/, ''), operator: true })
    const piece = groups.single ?? groups.double ?? groups.escaped ?? groups.plain
    if (piece !== undefined) word = (word ?? '') + piece
  }
  end()
  return tokens
}
