import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import { install } from '../store/install.ts'
import { parseRequire } from '../trust/policy.ts'
import { GupperCommand } from './command.ts'

class InstallCommand extends GupperCommand {
  static override paths = [['install']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'place and switch: the program at PATH becomes the new version in one rename',
    details:
      'What is placed is hashed once more while it is written; the new version is complete on disk, and has passed --check, ' +
      'before it goes live. The versions before it are kept beside the target in .gupper/, for gupper rollback. An ' +
      'archive becomes a symlink to its tree, which is swapped; with --pick one of its files becomes a plain program. ' +
      'With a slash at the end of PATH each record goes to DIR/NAME.',
    examples: [
      ['The newest there is', 'gupper list http://repo:8080 | gupper fetch | gupper install --to ./app'],
      [
        'Only if it passes its own test',
        'gupper list ./packages | gupper fetch | gupper install --to ./app --check "{} --self-test"',
      ],
      [
        'One program out of an archive',
        'gupper list ./packages --name tool | gupper fetch | gupper install --to ./bin/ --pick tool',
      ],
    ],
  })

  to = Option.String('--to', { description: 'PATH: the program, or a directory with a slash at its end' })
  keep = Option.String('--keep', '3', {
    description: 'N: how many versions to keep, the new one included; the one before it always is',
  })
  check = Option.String('--check', {
    description:
      'CMD: a shell line that must succeed first; {} or $GUPPER_PROGRAM is the new program, or its tree',
  })
  checkDeadline = Option.String('--check-deadline', '30s', {
    description: 'TIME: how long the check may take',
  })
  pick = Option.String('--pick', { description: 'FILE: the one file of an archive to install' })
  require = Option.String('--require', {
    description: 'PROOFS: proofs that must all stand, or none (default: any one)',
  })
  allowDowngrade = Option.Boolean('--allow-downgrade', false, {
    description: 'also when something newer stands there',
  })
  again = Option.Boolean('--again', false, {
    description: 'also when it was taken back, failed its check, is older, or stands there but damaged',
  })
  dryRun = Option.Boolean('--dry-run', false, { description: 'only say what would be done' })
  wait = Option.String('--wait', '30s', { description: 'TIME: how long to wait for another gupper there' })

  async run(): Promise<undefined> {
    const { to, check, pick, again, allowDowngrade, dryRun, observer } = this
    const { cwd, env, signal } = this.context
    if (to === undefined || to === '')
      throw new GupperError('usage', 'no target is given', { hint: 'say where: --to PATH' })
    const keep = Number(this.keep)
    if (!Number.isSafeInteger(keep) || keep < 1)
      throw new GupperError('usage', `--keep takes a number from 1, not "${this.keep}"`)
    const require = this.require === undefined ? undefined : parseRequire(this.require)
    const checkDeadline = parseDuration(this.checkDeadline, '--check-deadline')
    const wait = parseDuration(this.wait, '--wait')
    const how = { to, keep, check, checkDeadline, pick, require, again, allowDowngrade, dryRun, wait }
    await this.write(install(this.records(), { ...how, cwd, env, signal, observer }))
  }
}

export const commands = [InstallCommand]
