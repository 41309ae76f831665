import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { delegate, undelegate } from '../repository/roles/delegate.ts'
import { GupperCommand } from './command.ts'
import { RoleFlags } from './role-flags.ts'

class TrustDelegateCommand extends RoleFlags(GupperCommand) {
  static override paths = [['trust', 'delegate']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'let a team sign packages of some names with its own keys',
    details:
      'The team publishes with its keys alone: gupper publish --to REPO --keys TEAM; the online key makes it visible. Of ' +
      'what fits no pattern it can publish nothing. What you publish yourself goes before what teams say, and a team goes ' +
      'before those that came later. The delegation is made when the team has signed for the first time (gupper trust ' +
      'sign, or publish): until then clients could not go past it. Given again, it is changed; --remove takes it back, ' +
      'and what only that team vouched for is offered no more.',
    examples: [
      [
        'A team of its own',
        "gupper trust delegate tools ./repo --key tools.pub --paths 'tools-*' --keys ~/keys",
      ],
      ['Taken back', 'gupper trust delegate tools ./repo --remove --keys ~/keys'],
    ],
  })

  name = Option.String({ name: 'NAME', required: false })
  repo = Option.String({ name: 'REPO', required: false })
  key = Option.Array('--key', {
    description: "PUBLIC: the file of the public half of the team's key; may be given again",
  })
  patterns = Option.Array('--paths', {
    description: "PATTERN: the file names it may sign, such as 'tools-*'; may be given again",
  })
  threshold = Option.String('--threshold', {
    description: 'N: how many of its keys must sign (default: as many as before; of a new team 1)',
  })
  terminating = Option.Boolean('--terminating', {
    description: 'nobody but you and this team may sign these names; stays so until --no-terminating',
  })
  remove = Option.Boolean('--remove', false, { description: 'take it back' })

  async run(): Promise<undefined> {
    const { name = '', repo = '', patterns: paths = [], terminating, context } = this
    this.demand({ NAME: name, REPO: repo })
    const place = path.resolve(context.cwd, repo)
    if (this.remove && (this.key !== undefined || paths.length > 0))
      throw new GupperError('usage', '--remove takes neither --key nor --paths')
    const keys = await this.readPublics(this.key)
    const options = await this.allOptions()
    const changed = this.remove
      ? await undelegate(place, name, options)
      : await delegate(
          place,
          { name, keys, paths, terminating, ...this.readThreshold(this.threshold) },
          options,
        )
    await this.tell(repo, changed)
  }
}

export const commands = [TrustDelegateCommand]
