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
      'With --newer-than PATH, builds that were taken back there are left out.\n' +
      'A release whose rollout has not come as far as this machine, or that this machine has not known for --min-age, ' +
      'is passed over, and the newest of the others takes its place. When a build was first seen is kept under ' +
      '$XDG_STATE_HOME/gupper; no time that a server tells is believed, and a clock that was set back is noticed.',
    examples: [
      ['The newest for this machine', 'cat packages.ndjson | gupper select'],
      ['The newest 1.x of one program', 'gupper list --all ./packages | gupper select --name app --range ^1'],
      [
        'Only what is newer than what is installed',
        'gupper list ./packages | gupper select --newer-than ./app',
      ],
      [
        'Only what this machine has known for a day, so that others find what is wrong with it first',
        'gupper list --all http://repo:8080 | gupper select --min-age 24h',
      ],
    ],
  })

  async run(): Promise<undefined> {
    const filter = await this.filter()
    await this.write(select(this.records(), filter))
  }
}

export const commands = [SelectCommand]
