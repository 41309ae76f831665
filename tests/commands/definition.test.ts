import { Command, Option } from 'clipanion'
import { describe, expect, it } from 'vitest'
import { readCatalog } from '../../src/commands/catalog.ts'
import { Cli, GupperCommand, type Context } from '../../src/commands/command.ts'
import { define } from '../../src/commands/definition.ts'
import { verbs } from '../../src/commands/index.ts'

class Example extends GupperCommand {
  static override rest = 'MORE'
  static override paths = [['example', 'run']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'show how a verb is read',
    details: 'More of it.',
    examples: [['The plain case', 'gupper example run x']],
  })

  to = Option.String('-t,--to', { description: 'PATH: where it goes' })
  since = Option.String('--since', { description: 'VERSION|PATH: newer than this' })
  size = Option.String('--size', { description: 'a size without a word of its own' })
  wait = Option.String('-w,--wait', '30s', { description: 'TIME: how long to wait' })
  names = Option.Array('--name', { description: 'NAME: only these' })
  all = Option.Boolean('--all', false, { description: 'NOT a value: a flag that is on or off' })
  first = Option.String({ name: 'SOURCE', required: true })
  more = Option.Rest()

  async run(): Promise<undefined> {
    await Promise.resolve()
  }
}

describe('the definition of a verb', () => {
  const definition = define(Example)
  const flag = (name: string) => definition.flags.find(({ names }) => names.includes(name))

  it('is what its command says of itself', () => {
    expect(definition).toMatchObject({
      path: ['example', 'run'],
      category: 'Steps',
      description: 'show how a verb is read',
      details: 'More of it.',
      examples: [['The plain case', 'gupper example run x']],
    })
  })

  it('takes the word for a value from the front of a description', () => {
    expect(flag('--to')).toEqual({ names: ['-t', '--to'], value: 'PATH', description: 'where it goes' })
    expect(flag('--since')).toMatchObject({ value: 'VERSION|PATH', description: 'newer than this' })
    expect(flag('--name')).toMatchObject({ value: 'NAME', description: 'only these' })
  })

  it('calls a value without a word VALUE, and leaves a flag that is on or off without one', () => {
    expect(flag('--size')).toMatchObject({ value: 'VALUE', description: 'a size without a word of its own' })
    expect(flag('--all')).toMatchObject({ names: ['--all'], value: undefined })
  })

  it('tells the default of a flag behind its description', () => {
    expect(flag('--wait')).toMatchObject({ value: 'TIME', description: 'how long to wait (default: 30s)' })
    expect(flag('--log')?.description).toMatch(/ \(default: text\)$/)
  })

  it('has the flags that every verb has', () => {
    for (const name of ['--json', '--text', '--quiet', '-q', '--verbose', '-v', '--log'])
      expect(flag(name), name).toBeDefined()
    expect(flag('--log')?.value).toBe('FORMAT')
  })

  it('has a usage line with arguments and without the flags', () => {
    expect(definition.synopsis).toBe('gupper example run [FLAGS…] <SOURCE> [MORE…]')
  })

  it('has brackets in its usage line around a command that may be left out', () => {
    expect(define(Example, 'may').synopsis).toMatch(/ \[-- CMD ARG…\]$/)
    expect(define(Example, 'must').synopsis).toMatch(/ -- CMD ARG…$/)
  })
})

describe('the defaults of the flags of every verb', async () => {
  const entries = await readCatalog()

  it.each(entries.map((entry) => [entry.path.join(' '), entry] as const))(
    '%s',
    async (_, { path, flags }) => {
      const verb = verbs.find(({ name }) => name === path[0])
      const { commands } = (await verb?.load()) ?? { commands: [] }
      const found = commands.find(({ paths }) => paths?.[0]?.join(' ') === path.join(' '))
      if (found === undefined) throw new Error('no such verb')
      // What clipanion fills in where a call names no flag. A positional that must be given is of no matter here.
      const words = path.join(' ') === 'pack' ? [...path, 'x'] : [...path]
      const filled: object = Cli.from<Context>([found]).process(words, {} as Context)
      const own = Object.entries(new found())
      for (const { names, value, description } of flags.filter(({ value }) => value !== undefined)) {
        const field = own.find(([, option]) => namesOf(option).includes(names[0] ?? ''))?.[0] ?? ''
        const set = (filled as Record<string, unknown>)[field]
        if (typeof set === 'string')
          expect(description, `${names[0] ?? ''} ${value ?? ''}`).toContain(`(default: ${set})`)
        // Told in one form, at the end, and once.
        expect(description.split(/\bdefault\b/).length, names[0]).toBeLessThanOrEqual(2)
        if (/\bdefault\b/.test(description)) expect(description, names[0]).toMatch(/ \(default: [^()]+\)$/)
      }
    },
  )
})

function namesOf(option: unknown): readonly string[] {
  const found: string[] = []
  const ignore = (): void => undefined
  const builder = {
    addOption: ({ names }: { names: string[] }) => found.push(...names),
    addPositional: ignore,
    addRest: ignore,
  }
  const { definition } = Object(option) as { definition?: (to: typeof builder, key: string) => void }
  definition?.(builder, '')
  return found
}
