import { Command, Option } from 'clipanion'
import { list } from '../sources/list.ts'
import { SourceCommand } from './source-command.ts'

class ListCommand extends SourceCommand {
  static override paths = [['list']]
  static override rest = 'SOURCE'
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'what a source has: the newest of each name for this machine',
    details:
      'A source is the address of a package server, or a directory of packages. The ancestor’s servers, which know ' +
      'only names, are read too; their records lack size and digest.',
    examples: [
      ['What a server has for this machine', 'gupper list http://repo:8080'],
      ['Everything in a directory, for every machine', 'gupper list --all ./packages'],
      ['Is there something newer than what is installed?', 'gupper list http://repo:8080 --newer-than ./app'],
      [
        'Executables without telling names are asked for their version',
        'gupper list --probe ./builds --name app',
      ],
    ],
  })

  sources = Option.Rest()

  async run(): Promise<undefined> {
    const filter = await this.filter()
    await this.write(list(this.sources, { ...this.sourceOptions(), filter }))
  }
}

export const commands = [ListCommand]
