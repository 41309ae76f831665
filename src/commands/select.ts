import { Command } from 'clipanion'
import { select } from '../package/select.ts'
import { FilterCommand } from './filter-command.ts'

class SelectCommand extends FilterCommand {
  static override paths = [['select']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'keep the records that fit',
    details:
      'Reads records and writes those that fit: by default the newest stable version of each name for this machine. ' +
      'With --newer-than PATH, builds that were taken back there are left out.',
    examples: [
      ['The newest for this machine', 'cat packages.ndjson | gupper select'],
      ['The newest 1.x of one program', 'gupper list --all ./packages | gupper select --name app --range ^1'],
      [
        'Only what is newer than what is installed',
        'gupper list ./packages | gupper select --newer-than ./app',
      ],
    ],
  })

  async run(): Promise<undefined> {
    const filter = await this.filter()
    await this.write(select(this.records(), filter))
  }
}

export const commands = [SelectCommand]
