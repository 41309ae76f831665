import { Cli } from 'clipanion'
import type { Context } from './command.ts'
import type { VerbClass } from './index.ts'

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
 * @param takesCommand whether the words after `--` are a command to run
 */
export function define(command: VerbClass, takesCommand = false): Definition {
  const cli = Cli.from<Context>([command], { binaryName: 'gupper', enableColors: false })
  const [definition] = cli.definitions()
  const path = command.paths?.[0] ?? []
  const flags = (definition?.options ?? []).map(({ definition, description = '' }) => {
    const value = /^([A-Z][A-Za-z|…=@.-]*): /.exec(description)
    return {
      names: definition.replace(/ #\d.*$/, '').split(','),
      value: definition.includes('#') ? (value?.[1] ?? 'VALUE') : undefined,
      description: value ? description.slice(value[0].length) : description,
    }
  })
  const plain = cli.usage(command, { detailed: false }).trim().replace(/^\$ /, '')
  const rest = plain.split(' ').slice(1 + path.length)
  const words = rest
    .filter((word) => !word.startsWith('[-') && !word.startsWith('--') && !word.startsWith('#'))
    .map((word) => (word === '...' ? `[${command.rest ?? 'ARGUMENT'}…]` : word))
    // No verb has a single argument that may be left out: they only say themselves, and better, what is missing.
    .map((word) => word.replace(/^\[([^…]+)\]$/, '<$1>'))
  if (takesCommand) words.push('-- CMD ARG…')
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
