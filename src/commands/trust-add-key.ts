import { Command, Option } from 'clipanion'
import { GupperCommand } from './command.ts'
import { NewKeyFlags } from './role-flags.ts'

class TrustAddKeyCommand extends NewKeyFlags(GupperCommand) {
  static override paths = [['trust', 'add-key']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'let one more key sign for a role',
    details:
      'The key is given as its public half (gupper trust key, or openssl pkey -pubout), so that private keys never meet; ' +
      'or it is made in the first DIR of --keys. How many must sign stays as it is, or is said with --threshold. Takes ' +
      'keys of root; of targets where ROLE is a team.',
    examples: [
      [
        'From one root key to two of three',
        'gupper trust add-key root ./repo --key bob.pub --key safe.pub --threshold 2 --keys ~/ann',
      ],
    ],
  })

  role = Option.String({ name: 'ROLE', required: false })
  repo = Option.String({ name: 'REPO', required: false })

  async run(): Promise<undefined> {
    const { role = '', repo = '' } = this
    this.demand({ ROLE: role, REPO: repo })
    const { add, making } = await this.newKeys()
    await this.change(repo, role, { add, ...this.readThreshold(this.threshold) }, making)
  }
}

export const commands = [TrustAddKeyCommand]
