import { Cli, Command } from 'clipanion'
import type { Context } from './command.ts'
import type { TakesCommand, VerbClass } from './index.ts'

/** One flag as its command defines it. */
export interface Flag {
  /** All its spellings: ["-q", "--quiet"]. */
  names: readonly string[]
  /** The word for its value, "PATH"; undefined for a flag that is on or off. */
  value: string | undefined
  description: string
}

/** One verb as its command defines it: what help, completion and the man page are made from. */
export interface Definition {
  /** ["cache", "ls"] */
  path: readonly string[]
  category: string
  description: string
  details: string
  examples: readonly (readonly [about: string, command: string])[]
  flags: readonly Flag[]
  /** The usage line: "gupper list [FLAGS…] [SOURCE…]". What stands in angle brackets must be given. */
  synopsis: string
}

/**
 * Reads a command's own definition. A flag's description may start with the word for its value: "PATH: where it goes".
 * @param command the class of the verb
 * @param takesCommand where the words after `--` are a command to run: whether it must be there
 */
export function define(command: VerbClass, takesCommand?: TakesCommand): Definition {
  const cli = Cli.from<Context>([command], { binaryName: 'gupper', enableColors: false })
  const [definition] = cli.definitions()
  const path = command.paths?.[0] ?? []
  const defaults = defaultsOf(command)
  const flags = (definition?.options ?? []).map(({ definition, description = '' }) => {
    const value = /^([A-Z][A-Za-z|…=@.-]*): /.exec(description)
    const names = definition.replace(/ #\d.*$/, '').split(',')
    const own = defaults.get(names[0] ?? '')
    const about = value ? description.slice(value[0].length) : description
    return {
      names,
      value: definition.includes('#') ? (value?.[1] ?? 'VALUE') : undefined,
      description: own === undefined ? about : `${about} (default: ${own})`,
    }
  })
  const plain = cli.usage(command, { detailed: false }).trim().replace(/^\$ /, '')
  const rest = plain.split(' ').slice(1 + path.length)
  const words = rest
    .filter((word) => !word.startsWith('[-') && !word.startsWith('--') && !word.startsWith('#'))
    .map((word) => (word === '...' ? `[${command.rest ?? 'ARGUMENT'}…]` : word))
    // No verb has a single argument that may be left out: they only say themselves, and better, what is missing.
    .map((word) => word.replace(/^\[([^…]+)\]$/, '<$1>'))
  if (takesCommand) words.push(takesCommand === 'must' ? '-- CMD ARG…' : '[-- CMD ARG…]')
  return {
    path,
    category: command.usage?.category ?? '',
    description: command.usage?.description ?? '',
    details: command.usage?.details ?? '',
    examples: command.usage?.examples ?? [],
    flags,
    synopsis: ['gupper', ...path, '[FLAGS…]', ...words].join(' '),
  }
}

interface Builder {
  addOption(option: { names: readonly string[] }): void
  addPositional(): void
  addRest(): void
}
interface Option {
  definition(builder: Builder): void
  transformer(
    builder: undefined,
    key: string,
    state: { options: []; positionals: [] },
    context: object,
  ): unknown
}

/** What the flags with a value are where a call does not name them: so help cannot tell other than what is true. */
function defaultsOf(command: VerbClass): Map<string, string> {
  const defaults = new Map<string, string>()
  const ignore = (): void => undefined
  // A command that was only made has its options in its fields; clipanion puts values there when it has read a call.
  for (const [key, option] of Object.entries(new command())) {
    if (!isOption(option)) continue
    const addOption = ({ names }: { names: readonly string[] }): void => {
      const value = option.transformer(undefined, key, { options: [], positionals: [] }, { env: {} })
      if (typeof value === 'string') for (const name of names) defaults.set(name, value)
    }
    option.definition({ addOption, addPositional: ignore, addRest: ignore })
  }
  return defaults
}

function isOption(value: unknown): value is Option {
  return typeof value === 'object' && value !== null && Command.isOption in value
}
