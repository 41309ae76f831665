import { GupperError } from '../errors.ts'
import { toFailure } from '../package/record.ts'
import { version } from '../version.ts'
import { Cli, Stopped, UsageError, type Context } from './command.ts'
import { verbs, type Verb } from './index.ts'
import { narrow } from './narrow.ts'

// For cli.ts, which knows the process and loads all else through this one door.
export { GupperError, Stopped }

/** What the program needs of the process it runs in. */
export interface World extends Pick<Context, 'stdout' | 'stderr'> {
  /** Whether standard output is a terminal, and whether it gets colours. */
  terminal: boolean
  colors: boolean
  /** The context of a verb, with the words after `--`, if it takes a command, and its own words. */
  makeContext(command: readonly string[] | undefined, words: readonly string[]): Context
}

/**
 * Runs one call of gupper.
 * @param argv the words after "gupper"
 * @returns the exit status; what a verb throws has been reported by then
 */
export async function run(argv: readonly string[], world: World): Promise<number> {
  const [first, ...rest] = argv
  if (first === '--help' || first === '-h' || first === 'help') return help(rest, world)
  if (first === undefined) return (await import('./help.ts')).overview(world.stderr, verbs, version, 64)

  const verb = verbs.find(({ name }) => name === first)
  if (!verb) return complain(world, `there is no verb "${first}"`, 'gupper --help lists the verbs')
  return runVerb(verb, argv, world)
}

async function help(words: readonly string[], world: World): Promise<number> {
  const [word, ...more] = words
  const pages = await import('./help.ts')
  if (word === undefined || word.startsWith('-')) return pages.overview(world.stdout, verbs, version, 0)
  if (word === 'exit-codes') return pages.exitCodes(world.stdout, world.terminal)
  const verb = verbs.find(({ name }) => name === word)
  if (!verb) return complain(world, `there is no verb "${word}"`, 'gupper --help lists the verbs')
  return runVerb(verb, [word, ...more, '--help'], world)
}

async function runVerb(verb: Verb, argv: readonly string[], world: World): Promise<number> {
  const dashes = verb.takesCommand ? argv.indexOf('--') : -1
  const own = dashes < 0 ? argv : argv.slice(0, dashes)
  const { commands } = await verb.load()

  const cli = Cli.from<Context>(
    commands.map((command) => narrow(command, own)),
    {
      binaryName: 'gupper',
      binaryVersion: version,
      enableColors: world.colors,
    },
  )
  const ends = own.indexOf('--')
  const asked = (ends < 0 ? own : own.slice(0, ends)).some((word) => word === '--help' || word === '-h')
  if (asked) {
    world.stdout.write((await import('./help.ts')).usage(commands, own, verb.takesCommand))
    return 0
  }

  const context = world.makeContext(dashes < 0 ? undefined : argv.slice(dashes + 1), own)
  let command
  try {
    command = cli.process([...own], context)
  } catch (thrown) {
    // Every complaint about arguments, in clipanion's words without its colours and its list of all the syntaxes.
    const message = thrown instanceof Error ? thrown.message : String(thrown)
    const known = thrown instanceof UsageError || (thrown instanceof Error && 'clipanion' in thrown)
    if (!known) throw thrown
    return complain(world, firstLine(message), `gupper ${verb.name} --help`, verb.name)
  }
  return cli.run(command, context)
}

function firstLine(message: string): string {
  const plain = message.replace(/\u001b\[[0-9;]*m/g, '')
  const [line = ''] = plain.split(/\.?\n/)
  // It knows the verb, whatever it says: this is an argument that the verb does not take.
  if (/^command not found/i.test(line)) return 'an argument that is not taken here'
  return line.charAt(0).toLowerCase() + line.slice(1)
}

/** A usage error before any verb could take over: to people on stderr, and down the pipe as a failure. */
function complain(world: World, message: string, hint: string, step = 'gupper'): number {
  world.stderr.write(`gupper${step === 'gupper' ? '' : ` ${step}`}: ${message}\n  hint: ${hint}\n`)
  const failure = toFailure(step, new GupperError('usage', message, { hint }))
  if (!world.terminal) world.stdout.write(`${JSON.stringify(failure)}\n`)
  return 64
}
