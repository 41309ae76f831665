import { Command, Option } from 'clipanion'
import { GupperCommand } from './command.ts'
import { NewKeyFlags } from './role-flags.ts'

class TrustRotateCommand extends NewKeyFlags(GupperCommand) {
  static override paths = [['trust', 'rotate']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'put a new key in the place of old ones, and sign everything anew with it',
    details:
      'ROLE is root, targets, snapshot, timestamp, online (snapshot and timestamp together), or a team. It takes keys of ' +
      'root (of targets for a team). Clients follow by themselves: the new root is signed by the old keys and the new. ' +
      'The new key is made in the first DIR of --keys, or its public half is given; it replaces all keys of the role, or ' +
      'those that --replace names. Files of keys that REPO needs no more are renamed to FILE.retired: destroy them, ' +
      'unless another repository uses them. What lacks signatures waits for trust sign.',
    examples: [
      ['The online key was stolen', 'gupper trust rotate online ./repo --keys ~/keys'],
      [
        'Ann lost her key, and made a new one',
        'gupper trust rotate root ./repo --replace ann.pub --key ann-2.pub --keys ~/bob',
      ],
    ],
  })

  role = Option.String({ name: 'ROLE', required: false })
  repo = Option.String({ name: 'REPO', required: false })
  replace = Option.Array('--replace', {
    description: 'KEYID|PUBLIC: an old key that goes, the others stay; may be given again',
  })

  async run(): Promise<undefined> {
    const { role = '', repo = '' } = this
    this.demand({ ROLE: role, REPO: repo })
    const { add, making } = await this.newKeys()
    const remove = this.replace && (await Promise.all(this.replace.map((word) => this.readKeyWord(word))))
    const change = { add, remove: remove ?? (true as const), ...this.readThreshold(this.threshold) }
    await this.change(repo, role, change, making)
  }
}

export const commands = [TrustRotateCommand]
