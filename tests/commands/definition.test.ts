import { Command, Option } from 'clipanion'
import { describe, expect, it } from 'vitest'
import { GupperCommand } from '../../src/commands/command.ts'
import { define } from '../../src/commands/definition.ts'

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

  it('has the flags that every verb has', () => {
    for (const name of ['--json', '--text', '--quiet', '-q', '--verbose', '-v', '--log'])
      expect(flag(name), name).toBeDefined()
    expect(flag('--log')?.value).toBe('FORMAT')
  })

  it('has a usage line with arguments and without the flags', () => {
    expect(definition.synopsis).toBe('gupper example run [FLAGS…] <SOURCE> [MORE…]')
  })
})
