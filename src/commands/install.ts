import { Command } from 'clipanion'
import { install } from '../store/install.ts'
import { GupperCommand } from './command.ts'
import { InstallFlags, RequireFlags } from './step-flags.ts'

class InstallCommand extends InstallFlags(RequireFlags(GupperCommand)) {
  static override paths = [['install']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'place and switch: the program at PATH becomes the new version in one rename',
    details:
      'What is placed is hashed once more while it is written; the new version is complete on disk, and has passed --check, ' +
      'before it goes live. The versions before it are kept beside the target in .gupper/, for gupper rollback. An ' +
      'archive becomes a symlink to its tree, which is swapped; with --pick one of its files becomes a plain program. ' +
      'With a slash at the end of PATH each record goes to DIR/NAME. --require believes the proofs that its records ' +
      'carry: let `gupper verify` be the step before it. A check is ended with all that it started, but for what has ' +
      'made itself a session of its own (setsid).',
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

  async run(): Promise<undefined> {
    await this.write(install(this.records(), this.installOptions()))
  }
}

export const commands = [InstallCommand]
