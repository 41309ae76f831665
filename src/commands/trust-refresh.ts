import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { refresh } from '../repository/refresh.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'

class TrustRefreshCommand extends KeyFlags(GupperCommand) {
  static override paths = [['trust', 'refresh']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'sign anew that a repository is up to date: for cron, once a day',
    details:
      'Signs a new timestamp, and a new snapshot when less than half of its life is left; the online key is enough. What ' +
      'waited for it is published. With keys of root or targets at hand, these are renewed too when it is time. Says nothing ' +
      'but warnings, such as that a key must come out of its safe because what it signed expires.',
    examples: [['From cron', '17 4 * * * gupper trust refresh /srv/repo --keys /etc/gupper/online']],
  })

  repo = Option.String({ name: 'REPO', required: false })

  async run(): Promise<undefined> {
    const { repo, context, observer } = this
    if (repo === undefined || repo === '')
      throw new GupperError('usage', 'which repository?', { hint: 'gupper trust refresh REPO --keys DIR' })
    const keyring = await this.readKeys()
    const { committed, waiting } = await refresh(path.resolve(context.cwd, repo), {
      ...this.repositoryOptions(),
      keyring,
    })
    for (const role of committed) observer.info(`published what waited in ${role}`)
    for (const [role, missing] of waiting)
      observer.info(`${role} still waits for ${missing} signatures: gupper trust sign ${repo} --keys DIR`)
    observer.info('signed anew')
  }
}

export const commands = [TrustRefreshCommand]
