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
      'A source is the address of a package server, a directory of packages, or a tar of one. The ancestor’s servers, which know ' +
      'only names, are read too; their records lack size and digest. With --trust, records come from the metadata of a ' +
      'signed repository only, each with the proof "tuf"; several SOURCEs are then mirrors of it, tried in order.',
    examples: [
      ['What a server has for this machine', 'gupper list http://repo:8080'],
      [
        'Only what its publisher signed, from either of two mirrors',
        'gupper list --trust root.json https://repo.example https://mirror.example',
      ],
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
    const options = await this.sourceOptions()
    const filter = await this.filter()
    await this.write(list(this.sources, { ...options, filter }))
  }
}

export const commands = [ListCommand]
