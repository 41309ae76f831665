import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { readFilter } from '../package/filter.ts'
import { parseVersion } from '../package/version.ts'
import { yank } from '../repository/packages/yank.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'

class YankCommand extends KeyFlags(GupperCommand) {
  static override paths = [['yank']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'take a published version back: nobody is offered it any more',
    details:
      'Marks it in what targets signs, and stops to offer it to clients without trust. The bytes stay, and so does its ' +
      'name: it can be offered again with --undo, but never be published with other bytes. Who has it keeps it; publish a ' +
      'newer version for them.',
    examples: [
      ['A bad build', 'gupper yank app@1.2.3 --to ./repo --keys ~/keys --reason "loses settings"'],
      ['Only for one platform', 'gupper yank app@1.2.3 --os windows --to ./repo --keys ~/keys'],
    ],
  })

  what = Option.String({ name: 'NAME@VERSION', required: false })
  to = Option.String('--to', { description: 'REPO: the directory of the repository' })
  os = Option.String('--os', { description: 'OS: only for this operating system' })
  arch = Option.String('--arch', { description: 'ARCH: only for this processor' })
  reason = Option.String('--reason', { description: 'TEXT: why; clients can read it' })
  undo = Option.Boolean('--undo', false, { description: 'offer it again' })

  async run(): Promise<undefined> {
    const { to, context, reason, undo } = this
    const { name, version } = readWhat(this.what)
    if (to === undefined || to === '')
      throw new GupperError('usage', 'which repository?', { hint: 'say where: --to REPO' })
    const { os, arch } = readFilter({ os: this.os, arch: this.arch })
    const keyring = await this.readKeys()
    const options = { ...this.repositoryOptions(), to: path.resolve(context.cwd, to), keyring }
    const records = await yank({ ...options, name, version, os, arch, reason, undo })
    for (const record of records) await this.writeOne(record)
  }
}

function readWhat(word = ''): { name: string; version: string } {
  const at = word.lastIndexOf('@')
  const version = parseVersion(word.slice(at + 1))
  if (at > 0 && version !== undefined) return { name: word.slice(0, at), version }
  throw new GupperError('usage', `what to yank? "${word}" is not NAME@VERSION`, {
    hint: 'for example: gupper yank app@1.2.3 --to REPO --keys DIR',
  })
}

export const commands = [YankCommand]
