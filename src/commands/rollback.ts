import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import { listSlots, rollback } from '../store/rollback.ts'
import type { Columns } from '../terminal/table.ts'
import { GupperCommand } from './command.ts'

const keptColumns: Columns = {
  '': ({ current }) => (current === true ? '*' : ''),
  VERSION: ({ version }) => String(version),
  DIGEST: ({ digest }) => (typeof digest === 'string' ? digest.slice(7, 19) : '-'),
  'LAST LIVE': ({ activated }) => (typeof activated === 'string' ? activated : '-'),
  STATE: ({ rejected }) => (rejected === true ? 'taken back' : ''),
}

class RollbackCommand extends GupperCommand {
  static override paths = [['rollback']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'take an update back: the version before stands at PATH again',
    details:
      'Goes to the newest version that was live before and was not taken back itself, in one rename and without a network. ' +
      'The build that is left is remembered by its digest: install and select pass it over until it is asked for with ' +
      'install --again, or gone to by name with --version. Going forward to a newer version condemns nothing.',
    examples: [
      ['Back to the version before', 'gupper rollback ./app'],
      ['What could be gone back to?', 'gupper rollback ./app --list'],
      ['To a certain one', 'gupper rollback ./app --version 1.9.2'],
    ],
  })

  target = Option.String({ name: 'PATH', required: false })
  toVersion = Option.String('--version', { description: 'VERSION: go to this kept version' })
  list = Option.Boolean('--list', false, { description: 'list the kept versions, and change nothing' })
  dryRun = Option.Boolean('--dry-run', false, { description: 'only say what would be done' })
  wait = Option.String('--wait', '30s', { description: 'TIME: how long to wait for another gupper there' })

  async run(): Promise<undefined> {
    const { target, toVersion: version, list, dryRun, observer } = this
    const { cwd, env, signal } = this.context
    if (target === undefined || target === '')
      throw new GupperError('usage', 'no target is given', { hint: 'e.g.: gupper rollback ./app' })
    if (list && (version !== undefined || dryRun))
      throw new GupperError('usage', '--list changes nothing and takes neither --version nor --dry-run')
    const wait = parseDuration(this.wait, '--wait')
    if (list) {
      this.columns = keptColumns
      await this.write(listSlots(target, { cwd }))
    } else await this.writeOne(await rollback(target, { version, dryRun, wait, cwd, env, signal, observer }))
  }
}

export const commands = [RollbackCommand]
