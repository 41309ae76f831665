import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { writeText } from '../package/ndjson.ts'
import {
  renderCompletion,
  shells,
  type CompletionFlag,
  type CompletionVerb,
  type Values,
} from '../terminal/completion.ts'
import { proofNames } from '../trust/policy.ts'
import { readCatalog, type Entry } from './catalog.ts'
import { GupperCommand } from './command.ts'
import type { Flag } from './definition.ts'

class CompletionCommand extends GupperCommand {
  static override paths = [['completion']]
  static override usage = Command.Usage({
    category: 'About gupper',
    description: 'print the completion of gupper for a shell: bash, zsh or fish',
    details: 'Made from the verbs’ own definitions, so it knows every verb and flag of this very version.',
    examples: [
      ['For this bash', 'source <(gupper completion bash)'],
      ['For every zsh', 'gupper completion zsh >"${fpath[1]}/_gupper"'],
      [
        'For every fish',
        'mkdir -p ~/.config/fish/completions && gupper completion fish >~/.config/fish/completions/gupper.fish',
      ],
    ],
  })

  shell = Option.String({ name: 'SHELL', required: false })

  async run(): Promise<undefined> {
    const hint = `gupper completion ${shells.join('|')}`
    if (this.shell === undefined) throw new GupperError('usage', 'no shell is given', { hint })
    if (!shells.includes(this.shell))
      throw new GupperError('usage', `no completion for "${this.shell}"`, { hint })
    const entries = await readCatalog()
    const text = renderCompletion(this.shell, [...entries.map(toVerb), helpVerb(entries)])
    await writeText(this.context.stdout, text ?? '')
  }
}

export const commands = [CompletionCommand]

const help: CompletionFlag = {
  names: ['-h', '--help'],
  about: 'tell all of this verb',
  value: undefined,
  values: 'any',
}

function toVerb({ path, description, flags, synopsis, takesCommand }: Entry): CompletionVerb {
  const [, after = ''] = synopsis.replace(/ \[?-- .*$/, '').split('[FLAGS…]')
  const words = after.trim()
  const values = words === '' ? undefined : words.includes('SHELL') ? shells : 'path'
  return { path, about: description, flags: [...flags.map(toFlag), help], values, takesCommand }
}

function helpVerb(entries: readonly Entry[]): CompletionVerb {
  const values = [...new Set(entries.map(({ path: [first = ''] }) => first)), 'exit-codes']
  return { path: ['help'], about: 'tell all of a verb', flags: [], values, takesCommand: false }
}

function toFlag({ names, value, description }: Flag): CompletionFlag {
  return { names, about: description, value, values: valuesOf(names, value ?? '') }
}

// The values of flags that have only a few.
const few: Readonly<Record<string, readonly string[]>> = {
  '--log': ['text', 'json'],
  '--os': ['linux', 'darwin', 'windows', 'freebsd', 'any'],
  '--arch': ['amd64', 'arm64', '386', 'arm', 'any'],
  '--type': ['ed25519', 'ecdsa', 'rsa'],
  '--format': ['raw', 'tar.gz', 'tar.zst', 'tar', 'zip'],
  '--restart': ['always', 'failure', 'never'],
  '--via': ['proxy', 'socket', 'reuseport', 'handover', 'restart', 'signal:', 'exec:'],
  '--require': [...proofNames, 'none'],
}

function valuesOf(names: readonly string[], value: string): Values {
  const words = names.map((name) => few[name]).find((list) => list !== undefined)
  if (words !== undefined) return words
  if (/\b(DIR|REPO)\b/.test(value)) return 'directory'
  return /\b(FILE|PATH|SOURCE|json|pem)\b/.test(value) ? 'path' : 'any'
}
