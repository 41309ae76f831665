import { Cli, type Context } from '../../src/commands/command.ts'
import { define } from '../../src/commands/definition.ts'
import { verbs } from '../../src/commands/index.ts'
import { narrow } from '../../src/commands/narrow.ts'
import type { Call } from './shell-words.ts'

/**
 * Reads a call as the program would, with the verbs' own definitions, without running it.
 * @returns what is wrong with it, in a line, or undefined
 */
export async function findFault({ words, fed }: Call): Promise<string | undefined> {
  const [first = ''] = words
  if (first === '--version' || first === '--help') return undefined
  if (first === 'help') {
    const known = [...verbs.map(({ name }) => name), 'exit-codes']
    return words[1] === undefined || known.includes(words[1]) ? undefined : `no help for ${words[1]}`
  }
  const verb = verbs.find(({ name }) => name === first)
  if (!verb) return `no verb "${first}"`
  const dashes = verb.takesCommand ? words.indexOf('--') : -1
  const own = dashes < 0 ? words : words.slice(0, dashes)
  if (own.includes('--help')) return undefined
  const { commands } = await verb.load()
  // Nothing of it is asked for while arguments are read.
  const context = {} as Context
  const cli = Cli.from<Context>(commands.map((command) => narrow(command, own)))
  try {
    cli.process([...own], context)
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }

  const named = commands.find((command) => command.paths?.[0]?.every((part, i) => own[i] === part))
  if (!named) return 'no command of that name'
  const { path, flags, synopsis } = define(named)
  const given = argumentsIn(own.slice(path.length), flags)
  const demanded = synopsis.match(/<[^>]+>/g) ?? []
  if (given < demanded.length) return `${demanded.join(' ')} must be given`
  // These read records, if not files.
  const reads =
    ['select', 'fetch', 'install', 'reexec', 'activate'].includes(verb.name) && !own.includes('--installed')
  if (!fed && (reads || (['verify', 'publish'].includes(verb.name) && given === 0)))
    return 'nothing is piped into it'
  if (verb.name === 'reexec' && dashes < 0) return 'CMD must be given'
  return undefined
}

function argumentsIn(words: readonly string[], flags: ReturnType<typeof define>['flags']): number {
  let count = 0
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (!word.startsWith('-')) count++
    else if (flags.some(({ names, value }) => value !== undefined && names.includes(word))) i++
  }
  return count
}

/** Every spelling of every flag that any verb has. */
export async function listFlags(): Promise<Set<string>> {
  const loaded = await Promise.all(verbs.map((verb) => verb.load()))
  return new Set(
    loaded.flatMap(({ commands }) =>
      commands.flatMap((one) => define(one).flags.flatMap(({ names }) => names)),
    ),
  )
}
