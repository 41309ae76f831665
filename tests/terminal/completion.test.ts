import { spawnSync } from 'node:child_process'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Entry } from '../../src/commands/catalog.ts'
import { renderCompletion, shells, type CompletionVerb } from '../../src/terminal/completion.ts'
import { has } from '../trust/tools.ts'
import { gupper, readEntries } from './cli.ts'

const scripts: Record<string, string> = {}
let entries: Entry[]
beforeAll(async () => {
  entries = await readEntries()
  for (const shell of shells) scripts[shell] = await gupper('completion', shell)
})

/** The part of a script that is about one verb, and nothing of the others. */
function partOf(shell: string, path: string): string {
  const script = scripts[shell] ?? ''
  if (shell === 'fish')
    return script
      .split('\n')
      .filter((line) => line.includes(`'__gupper_in ${path}'`))
      .join('\n')
  const start = script.lastIndexOf(`\n  '${path}')\n`)
  return start < 0 ? '' : script.slice(start, script.indexOf('\n    ;;\n', start))
}

describe('the completion script', () => {
  it.each(['bash', 'zsh', 'fish'])(
    'of %s knows every verb and every flag that the commands define',
    (shell) => {
      expect(entries.length).toBeGreaterThan(5)
      for (const { path, flags } of entries) {
        const part = partOf(shell, path.join(' '))
        expect(part, path.join(' ')).not.toBe('')
        for (const name of flags.flatMap(({ names }) => names)) {
          const spelled =
            shell !== 'fish' ? name : name.startsWith('--') ? `-l ${name.slice(2)} ` : `-s ${name.slice(1)} `
          expect(part, `${path.join(' ')} ${name}`).toContain(spelled)
        }
      }
    },
  )

  it('of a shell nobody knows does not exist', () => {
    expect(renderCompletion('tcsh', [])).toBeUndefined()
    expect(renderCompletion('constructor', [])).toBeUndefined()
  })

  for (const shell of ['bash', 'zsh', 'fish'])
    it.skipIf(!has(shell))(
      `of ${shell} is a script that ${shell} can read, whatever the descriptions say`,
      () => {
        const nasty = `it's "[a]" \\ $(id) \`id\`: % é`
        const flag = { names: ['-x', '--ex'], about: nasty, value: undefined, values: 'any' as const }
        const verb: CompletionVerb = {
          path: ['do'],
          about: nasty,
          flags: [flag, { ...flag, names: ['--why'], value: 'A|B', values: ['one', 'two'] }],
          values: 'path',
          takesCommand: true,
        }
        const verbs = [verb, { ...verb, path: ['set', 'on'] }, { ...verb, path: ['set', 'off'], flags: [] }]
        for (const script of [scripts[shell], renderCompletion(shell, verbs)]) {
          const { status, stderr } = spawnSync('sh', ['-c', 'cat | "$0" -n', shell], {
            input: script,
            encoding: 'utf8',
          })
          expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
        }
      },
    )
})
