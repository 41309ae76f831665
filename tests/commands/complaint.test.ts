import { describe, expect, it } from 'vitest'
import { Cli, type Context } from '../../src/commands/command.ts'
import { explainArguments, noVerb, type Complaint } from '../../src/commands/complaint.ts'
import { verbs } from '../../src/commands/index.ts'

async function complaintOf(line: string): Promise<Complaint | undefined> {
  const words = line.split(' ')
  const verb = verbs.find(({ name }) => name === words[0])
  if (!verb) throw new Error('no such verb')
  const { commands } = await verb.load()
  try {
    Cli.from<Context>([...commands]).process(words, {} as Context)
  } catch (thrown) {
    return explainArguments(thrown, verb, commands, words)
  }
  return undefined
}

describe('a usage error', () => {
  it.each([
    { line: 'status x --history -n 1', message: 'there is no flag -n' },
    { line: 'list --no-such', message: 'there is no flag --no-such' },
    { line: 'list -qx', message: 'there is no flag -qx' },
    { line: 'serve --port', message: '--port needs its value: --port PORT' },
    { line: 'pack', message: '<PATH> is missing' },
    { line: 'fetch pk', message: '"pk" is not taken here' },
    { line: 'freeze a b', message: '"b" is not taken here' },
    { line: 'trust rotate a b c', message: '"c" is not taken here' },
    { line: 'cache', message: 'cache what? ls, verify, prune' },
    { line: 'cache list', message: 'there is no verb "cache list"' },
  ])('names what is wrong: gupper $line', async ({ line, message }) => {
    expect(await complaintOf(line)).toMatchObject({ message })
  })

  it.each(['list -qv a', 'list --no-quiet', 'serve -- --port'])('is none: gupper %s', async (line) => {
    expect(await complaintOf(line)).toBeUndefined()
  })

  it('names the verb that is near, if one is', async () => {
    for (const word of ['pakc', 'pac', 'packk', 'pick'])
      expect(noVerb(word, verbs).hint, word).toContain('did you mean: gupper pack?')
    expect(noVerb('nonsense', verbs).hint).toBe('gupper --help lists the verbs')
    expect((await complaintOf('trust rotat'))?.hint).toContain('did you mean: gupper trust rotate?')
  })
})
