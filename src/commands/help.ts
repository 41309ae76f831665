import type { Writable } from 'node:stream'
import { exitStatuses } from '../errors.ts'
import { define, type Definition } from './definition.ts'
import type { TakesCommand, Verb, VerbClass } from './index.ts'

/** Prints what gupper is and its verbs; returns `status`. */
export async function overview(
  stream: Writable,
  verbs: readonly Verb[],
  version: string,
  status: number,
): Promise<number> {
  const loaded = await Promise.all(verbs.map((verb) => verb.load()))
  stream.write(
    [
      `gupper ${version}: small commands that ship and update programs; JSON lines between them\n`,
      'usage: gupper VERB [FLAGS…] [ARGUMENTS…]\n',
      ...tableOf(loaded.flatMap(({ commands }) => commands)),
      '\ngupper VERB --help tells all of a verb, gupper help exit-codes the exit statuses.',
      'For example:\n',
      '  gupper serve ./packages',
      '  gupper list http://repo:8080 | gupper fetch | gupper install --to ./app\n',
    ].join('\n'),
  )
  return status
}

/** Prints the exit statuses: a table for people, JSON lines for everything else. */
export function exitCodes(stream: Writable, terminal: boolean): number {
  for (const { exit, meaning, codes } of exitStatuses)
    stream.write(
      terminal ? `${exit.padEnd(7)}  ${meaning}\n` : `${JSON.stringify({ exit, meaning, codes })}\n`,
    )
  return 0
}

/** The help of a verb; where there are more below it than one and `words` name none, a line for each of them. */
export function usage(
  commands: readonly VerbClass[],
  words: readonly string[],
  takesCommand?: TakesCommand,
): string {
  const named = commands.filter((command) =>
    command.paths?.some((parts) => parts.length > 1 && parts.every((part, i) => words[i] === part)),
  )
  const [command, ...more] = named.length > 0 ? named : commands
  if (command !== undefined && more.length === 0) return formatUsage(define(command, takesCommand))
  const verb = `gupper ${command?.paths?.[0]?.[0] ?? ''}`
  return [
    `usage: ${verb} VERB [FLAGS…] [ARGUMENTS…]\n`,
    ...tableOf(commands),
    `\n${verb} VERB --help tells all of one.\n`,
  ].join('\n')
}

/** A line for each command: how it is called, and what it is for. */
function tableOf(commands: readonly VerbClass[]): string[] {
  const lines = commands.map(
    ({ paths, usage }) => [paths?.[0]?.join(' ') ?? '', usage?.description ?? ''] as const,
  )
  const width = Math.max(...lines.map(([words]) => words.length))
  return lines.map(([words, about]) => `  ${words.padEnd(width)}  ${about}`)
}

// The flags that every verb has come last, so that a verb's own are not lost among them.
const common = new Set(['--json', '--text', '--quiet', '--verbose', '--log'])

function formatUsage({ synopsis, description, details, examples, flags }: Definition): string {
  const own = flags.filter(({ names }) => !names.some((name) => common.has(name)))
  const ordered = [...own, ...flags.filter((flag) => !own.includes(flag))]
  const rows = ordered.map(({ names, value, description }) => {
    const words = names.join(', ')
    return [value === undefined ? words : `${words} ${value}`, description] as const
  })
  const width = Math.max(...rows.map(([words]) => words.length))
  return [
    `usage: ${synopsis}\n`,
    `${description}.\n`,
    ...(details ? [`${wrap(details)}\n`] : []),
    'flags:',
    ...rows.map(([words, about]) => `  ${words.padEnd(width)}  ${about}`),
    '',
    ...(examples.length > 0 ? ['examples:'] : []),
    ...examples.map(([about, command]) => `  # ${about}\n  ${command}\n`),
  ].join('\n')
}

function wrap(text: string, columns = 100): string {
  return text
    .split('\n')
    .map((paragraph) => {
      const lines = ['']
      for (const word of paragraph.split(' ')) {
        const line = lines.at(-1) ?? ''
        if (line !== '' && line.length + 1 + word.length > columns) lines.push(word)
        else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
      }
      return lines.join('\n')
    })
    .join('\n')
}
