// What people copy: the examples of --help are held against the very definitions that the verbs are read with.
import { describe, expect, it } from 'vitest'
import { verbs } from '../../src/commands/index.ts'
import { findFault } from './reading.ts'
import { callsIn } from './shell-words.ts'

const loaded = await Promise.all(verbs.map((verb) => verb.load()))
const examples = loaded
  .flatMap(({ commands }) => commands)
  .flatMap(({ paths, usage }) =>
    (usage?.examples ?? []).map(([about, example]) => ({
      verb: paths?.[0]?.join(' ') ?? '',
      about,
      example,
    })),
  )

describe('an example of --help', () => {
  it.each(examples)('is read by its verbs as it stands: $verb: $about', async ({ verb, example }) => {
    const calls = callsIn(example)
    expect(calls.map(({ words }) => words.slice(0, verb.split(' ').length).join(' '))).toContain(verb)
    for (const call of calls) expect(await findFault(call), call.words.join(' ')).toBeUndefined()
  })
})

describe('an example that is wrong', () => {
  it.each([
    { example: 'gupper lits x', fault: 'no verb "lits"' },
    { example: 'gupper list x --newer app', fault: /--newer/ },
    { example: 'gupper list x --name', fault: /--name/ },
    { example: 'gupper pack', fault: /positional/ },
    { example: 'gupper trust rotate online --keys ~/keys', fault: '<ROLE> <REPO> must be given' },
    { example: 'gupper trust turn online', fault: /./ },
    { example: 'gupper verify --checksums SUMS', fault: 'nothing is piped into it' },
    { example: 'gupper list x && gupper fetch', fault: 'nothing is piped into it' },
    { example: 'gupper list x | gupper reexec', fault: 'CMD must be given' },
    { example: 'gupper help exit-code', fault: 'no help for exit-code' },
  ])('is found: $example', async ({ example, fault }) => {
    const call = callsIn(example).at(-1)
    if (!call) throw new Error('no call')
    expect(await findFault(call)).toMatch(fault)
  })
})

describe('the calls in a line of shell', () => {
  it.each([
    { text: 'gupper a b', calls: ['a b'] },
    { text: '*/10 * * * * gupper a | gupper b -q > /dev/null', calls: ['a', '| b -q'] },
    { text: 'exec gupper a -- ./app --serve', calls: ['a -- ./app --serve'] },
    { text: 'x=$(gupper a "$b" | gupper c) || echo gupper', calls: ['a $b', '| c'] },
    { text: 'man -l <(gupper a)', calls: ['a'] },
    { text: 'gupper a >"${fpath[1]}/_gupper" 2>x b', calls: ['a b'] },
    { text: "gupper a 'x | gupper y' -c   # gupper z", calls: ['a x | gupper y -c'] },
    {
      text: "gupper a | jq -c '.x' | gupper b |\n  while read -r r; do gupper c; done",
      calls: ['a', '| b', 'c'],
    },
    { text: 'gupper a && \\\n  gupper b@1.2.3 10%/h ^1 2of:x', calls: ['a', 'b@1.2.3 10%/h ^1 2of:x'] },
  ])('are found: $text', ({ text, calls }) => {
    const found = callsIn(text).map(({ words, fed }) => (fed ? '| ' : '') + words.join(' '))
    expect(found).toEqual(calls)
  })
})
