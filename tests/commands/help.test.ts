import { Command, Option } from 'clipanion'
import { describe, expect, it } from 'vitest'
import { GupperCommand } from '../../src/commands/command.ts'
import { exitCodes, overview, usage } from '../../src/commands/help.ts'
import { verbs, type Verb } from '../../src/commands/index.ts'
import { exitStatuses } from '../../src/errors.ts'
import { createSink } from '../terminal/sink.ts'

class Show extends GupperCommand {
  static override paths = [['box', 'show']]
  static override usage = Command.Usage({
    category: 'Care',
    description: 'show what is in the box',
    details: `${'A sentence that goes on for a while. '.repeat(6).trim()}\n\nAnother paragraph.`,
    examples: [['Everything', 'gupper box show --all']],
  })
  to = Option.String('-t,--to', { description: 'PATH: where it goes' })
  async run(): Promise<undefined> {
    await Promise.resolve()
  }
}
class Empty extends GupperCommand {
  static override paths = [['box', 'empty']]
  static override usage = Command.Usage({ category: 'Care', description: 'throw it all away' })
  async run(): Promise<undefined> {
    await Promise.resolve()
  }
}

describe('the overview', () => {
  it('says what gupper is, and a line for every verb there is', async () => {
    const sink = createSink()
    expect(await overview(sink, verbs, '1.2.3', 0)).toBe(0)
    expect(sink.text).toMatch(/^gupper 1\.2\.3: /)
    const lines = sink.text.split('\n')
    for (const { name, below } of verbs)
      for (const words of below?.map((word) => `${name} ${word}`) ?? [name])
        expect(
          lines.filter((line) => line.startsWith(`  ${words}  `) && /\S {2,}\S/.test(line)),
          words,
        ).toHaveLength(1)
  })

  it('gives back the status it is told, and lines the verbs up', async () => {
    const sink = createSink()
    const one: Verb = { name: 'box', load: () => Promise.resolve({ commands: [Show, Empty] }) }
    expect(await overview(sink, [one], '1.2.3', 64)).toBe(64)
    expect(sink.text).toContain('  box show   show what is in the box\n  box empty  throw it all away\n')
  })
})

describe('the exit statuses', () => {
  it('are a table for people', () => {
    const sink = createSink()
    expect(exitCodes(sink, true)).toBe(0)
    const lines = sink.text.trimEnd().split('\n')
    expect(lines).toHaveLength(exitStatuses.length)
    expect(lines[0]).toBe('0        done, or nothing to do')
    expect(lines).toContain('75       locked; try again')
  })

  it('are JSON lines for programs, with the codes of each', () => {
    const sink = createSink()
    exitCodes(sink, false)
    const rows = sink.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown)
    expect(rows).toEqual(exitStatuses)
    expect(rows).toContainEqual({ exit: '75', meaning: 'locked; try again', codes: ['locked'] })
  })
})

describe('the help of a verb', () => {
  it('has its usage, what it does, its flags with their words, and its examples', () => {
    const text = usage([Show], ['box', 'show'])
    expect(text).toMatch(/^usage: gupper box show \[FLAGS…\]\n\nshow what is in the box\.\n\n/)
    expect(text).toMatch(/\n {2}-t, --to PATH {2,}where it goes\n/)
    expect(text).toContain('\nexamples:\n  # Everything\n  gupper box show --all\n')
  })

  it('has its own flags before those of every verb', () => {
    const text = usage([Show], [])
    expect(text.indexOf('--to PATH')).toBeLessThan(text.indexOf('--json'))
    for (const flag of ['--json', '--text', '-q, --quiet', '-v, --verbose', '--log FORMAT'])
      expect(text.split(`  ${flag} `), flag).toHaveLength(2)
  })

  it('wraps long paragraphs and keeps them apart', () => {
    const text = usage([Show], [])
    expect(text).toContain('\n\nAnother paragraph.\n')
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(100)
    expect(text.replaceAll('\n', ' ')).toContain('A sentence that goes on for a while. '.repeat(6))
  })

  it('is that of the command that is named, else a line for each below the verb', () => {
    const both = [Show, Empty]
    expect(usage(both, ['box', 'empty'])).toBe(usage([Empty], []))
    expect(usage(both, ['box', 'empty', '--help'])).toBe(usage([Empty], []))
    expect(usage(both, ['box'])).toBe(
      'usage: gupper box VERB [FLAGS…] [ARGUMENTS…]\n\n' +
        '  box show   show what is in the box\n  box empty  throw it all away\n\n' +
        'gupper box VERB --help tells all of one.\n',
    )
    expect(usage(both, ['box', 'nonsense'])).toBe(usage(both, []))
  })

  it('says of every flag of every verb what it does, ends without a full stop, and shows an example', async () => {
    for (const verb of verbs) {
      const { commands } = await verb.load()
      for (const command of commands) {
        const { description = '', examples = [] } = command.usage ?? {}
        const words = command.paths?.[0]?.join(' ') ?? ''
        expect(description, words).toMatch(/^[a-z].*[^.]$/)
        expect(examples.length, words).toBeGreaterThan(0)
        for (const [, example] of examples) expect(example, words).toContain(`gupper ${words}`)
        const text = usage([command], [])
        for (const line of text.split('\n').filter((line) => /^ {2}-/.test(line)))
          expect(line, words).toMatch(/^ {2}-[^ ]+(, --[^ ]+)?( [^ ]+)? {2,}\S.{5,}$/)
      }
    }
  })
})
