import { Option } from 'clipanion'
import { describe, expect, it } from 'vitest'
import { Cli, GupperCommand, type Context } from '../../src/commands/command.ts'
import type { VerbClass } from '../../src/commands/index.ts'
import { narrow } from '../../src/commands/narrow.ts'

class Sample extends GupperCommand {
  static override paths = [['sample']]
  name = Option.Array('--name')
  to = Option.String('--to', 'here')
  loud = Option.Boolean('-l,--loud', true)
  rest = Option.Rest()
  run(): Promise<undefined> {
    return Promise.resolve(undefined)
  }
}

function parse(verb: VerbClass, words: readonly string[]): unknown {
  // Nothing of it is asked for while arguments are read.
  const context = {} as Context
  const command = Cli.from<Context>([verb]).process(['sample', ...words], context)
  if (!(command instanceof Sample)) throw new Error('another command')
  const { name, to, loud, quiet, rest } = command
  return { name, to, loud, quiet, rest }
}

const read = (words: readonly string[]): unknown => parse(narrow(Sample, words), words)
const whole = (words: readonly string[]): unknown => parse(Sample, words)

describe('a verb that knows only the flags of the call', () => {
  it.each([
    { words: [] },
    { words: ['a', 'b'] },
    { words: ['--to', 'there', 'a'] },
    { words: ['--to=there', '--name', 'x', '--name=y'] },
    { words: ['--no-loud', '-q'] },
    { words: ['-lq', 'a'] },
    { words: ['--', '--to', 'a'] },
  ])('reads $words as the whole verb does', ({ words }) => {
    expect(read(words)).toEqual(whole(words))
  })

  it.each([{ words: ['--wrong'] }, { words: ['--to'] }, { words: ['-lx'] }, { words: ['--no-to'] }])(
    'refuses $words as the whole verb does',
    ({ words }) => {
      expect(() => whole(words)).toThrow()
      expect(() => read(words)).toThrow()
    },
  )
})
