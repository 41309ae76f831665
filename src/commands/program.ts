import { GupperError } from '../errors.ts'
import { toFailure } from '../package/record.ts'
import { version } from '../version.ts'
import { Cli, Stopped, type Context } from './command.ts'
import type { Complaint } from './complaint.ts'
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
  if (!verb) return complain(world, await missing(first))
  return runVerb(verb, argv, world)
}

async function help(words: readonly string[], world: World): Promise<number> {
  const [word, ...more] = words
  const pages = await import('./help.ts')
  if (word === undefined || word.startsWith('-')) return pages.overview(world.stdout, verbs, version, 0)
  if (word === 'exit-codes') {
    if (more.includes('--json') && more.includes('--text'))
      return complain(world, { message: '--json and --text exclude each other', hint: 'gupper --help' })
    const table = more.includes('--text') || (world.terminal && !more.includes('--json'))
    return pages.exitCodes(world.stdout, table)
  }
  const verb = verbs.find(({ name }) => name === word)
  if (!verb) return complain(world, await missing(word))
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
    // Loaded only now: reading the definitions takes its time.
    const { explainArguments } = await import('./complaint.ts')
    const complaint = explainArguments(thrown, verb, commands, own)
    if (!complaint) throw thrown
    return complain(world, complaint, verb.name)
  }
  return cli.run(command, context)
}

async function missing(word: string): Promise<Complaint> {
  return (await import('./complaint.ts')).noVerb(word, verbs)
}

/** A usage error before any verb could take over: to people on stderr, and down the pipe as a failure. */
function complain(world: World, { message, hint }: Complaint, step = 'gupper'): number {
  world.stderr.write(`gupper${step === 'gupper' ? '' : ` ${step}`}: ${message}\n  hint: ${hint}\n`)
  const failure = toFailure(step, new GupperError('usage', message, { hint }))
  if (!world.terminal) world.stdout.write(`${JSON.stringify(failure)}\n`)
  return 64
}
