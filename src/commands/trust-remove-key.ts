import { Command, Option } from 'clipanion'
import { GupperCommand } from './command.ts'
import { RoleFlags } from './role-flags.ts'

class TrustRemoveKeyCommand extends RoleFlags(GupperCommand) {
  static override paths = [['trust', 'remove-key']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'take a key back: it signs for a role no more',
    details:
      'KEYID is the id of the key, the beginning of it, or the file of its public half. What only that key signed is ' +
      'signed anew with those that stay. Refused where too few would stay. Takes keys of root; of targets for a team.',
    examples: [
      ['By the beginning of its id', 'gupper trust remove-key targets 9f86d081 ./repo --keys ~/keys'],
    ],
  })

  role = Option.String({ name: 'ROLE', required: false })
  key = Option.String({ name: 'KEYID', required: false })
  repo = Option.String({ name: 'REPO', required: false })
  threshold = Option.String('--threshold', {
    description: 'N: how many of its keys must sign from now on (default: as many as before)',
  })

  async run(): Promise<undefined> {
    const { role = '', key = '', repo = '' } = this
    this.demand({ ROLE: role, KEYID: key, REPO: repo })
    const remove = [await this.readKeyWord(key)]
    await this.change(repo, role, { remove, ...this.readThreshold(this.threshold) })
  }
}

export const commands = [TrustRemoveKeyCommand]
