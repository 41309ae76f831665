import { Command, Option } from 'clipanion'
import { parseCount } from '../package/duration.ts'
import { GupperCommand } from './command.ts'
import { RoleFlags } from './role-flags.ts'

class TrustThresholdCommand extends RoleFlags(GupperCommand) {
  static override paths = [['trust', 'threshold']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'say how many keys must sign for a role',
    details:
      'Takes keys of root; of targets where ROLE is a team. Refused where the role has not that many keys.',
    examples: [
      ['Nothing is published by one alone', 'gupper trust threshold targets 2 ./repo --keys ~/keys'],
    ],
  })

  role = Option.String({ name: 'ROLE', required: false })
  number = Option.String({ name: 'N', required: false })
  repo = Option.String({ name: 'REPO', required: false })

  async run(): Promise<undefined> {
    const { role = '', number = '', repo = '' } = this
    this.demand({ ROLE: role, N: number, REPO: repo })
    await this.change(repo, role, { threshold: parseCount(number, 'the threshold') })
  }
}

export const commands = [TrustThresholdCommand]
