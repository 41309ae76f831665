import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseRollout } from '../package/rollout.ts'
import { parseVersion } from '../package/version.ts'
import { warnOfReaders } from '../repository/keys/keyring.ts'
import { readMinisignSecret, type MinisignSecret } from '../repository/keys/minisign-key.ts'
import { publish, readNotes, readPackages } from '../repository/packages/publish.ts'
import type { Release } from '../repository/packages/release.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'

class PublishCommand extends KeyFlags(GupperCommand) {
  static override paths = [['publish']]
  static override rest = 'FILE'
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'put packages into a repository, signed: all of the input or nothing',
    details:
      'Takes the packages of the records on standard input, or FILEs that are named like packages. Their bytes are hashed ' +
      'while they are copied; everything appears at once. The same bytes again change nothing; other bytes under a name ' +
      'that is taken are refused, for ever. Where a role takes more signatures than your keys can give, all is prepared ' +
      'and waits for gupper trust sign, or for the online key. A directory without metadata gets the packages unsigned.\n' +
      'With --minisign each package also gets a signature that minisign -V reads, beside it, with .minisig behind the ' +
      'name. The same passphrase opens the keys and the secret key, where they are encrypted.',
    examples: [
      [
        'From the build to the clients',
        'gupper pack ./app --name app --version 1.2.3 | gupper publish --to ./repo --keys ~/keys',
      ],
      [
        'To a tenth of them each hour, with a word for people',
        'gupper publish --to ./repo --keys ~/keys --rollout 10%/h --notes @CHANGES app-1.2.3-*',
      ],
      [
        'Signed by minisign too, for clients that want both: --require 2of:tuf,minisign',
        'gupper publish --to ./repo --keys ~/keys --minisign ~/.minisign/minisign.key app-1.2.3-*',
      ],
      ['What nobody should wait for', 'gupper publish --to ./repo --keys ~/keys --critical app-1.2.4-*'],
    ],
  })

  files = Option.Rest({ name: 'FILE' })
  role = Option.String('--role', {
    description: 'NAME: the role that signs, such as your team (chosen by name and key when not given)',
  })
  to = Option.String('--to', { description: 'REPO: the directory of the repository' })
  minisign = Option.String('--minisign', {
    description: 'FILE: a secret key of minisign -G that also signs each package',
  })
  channel = Option.String('--channel', { description: 'CHANNEL: who gets it, such as beta' })
  notes = Option.String('--notes', { description: 'TEXT|@FILE: what to tell people of it' })
  critical = Option.Boolean('--critical', false, { description: 'nobody waits for it, whatever the rollout' })
  floor = Option.String('--floor', {
    description:
      'VERSION: the oldest that may update to it directly; older ones step through an older release',
  })
  rollout = Option.String('--rollout', {
    description: 'RATE|WAVES: how fast it reaches everybody: 10%/h, or 10%@1h,50%@1d,100%@3d',
  })

  async run(): Promise<undefined> {
    const { to, context, files } = this
    if (to === undefined || to === '')
      throw new GupperError('usage', 'which repository?', { hint: 'say where: --to REPO' })
    const release = await this.#release()
    const items = files.length === 0 ? this.records() : readPackages(files, context.cwd)
    const keyring = await this.readKeys()
    const options = {
      ...this.repositoryOptions(),
      to: path.resolve(context.cwd, to),
      keyring,
      release,
      role: this.role,
      minisign: await this.#secret(),
    }
    await this.write(publish(items, options))
  }

  async #secret(): Promise<MinisignSecret | undefined> {
    if (this.minisign === undefined) return undefined
    if (this.minisign === '') throw new GupperError('usage', '--minisign is empty')
    const file = path.resolve(this.context.cwd, this.minisign)
    await warnOfReaders(file, this.observer)
    return readMinisignSecret(file, () => this.readPassphrase())
  }

  async #release(): Promise<Release> {
    const { channel, notes, critical, rollout, context } = this
    if (channel === '') throw new GupperError('usage', '--channel is empty')
    const floor = this.floor === undefined ? undefined : parseVersion(this.floor)
    if (this.floor !== undefined && floor === undefined)
      throw new GupperError('usage', `--floor takes a version, not "${this.floor}"`)
    return {
      channel,
      notes: notes === undefined ? undefined : await readNotes(notes, context.cwd),
      critical: critical || undefined,
      floor,
      rollout: rollout === undefined ? undefined : parseRollout(rollout, new Date()),
    }
  }
}

export const commands = [PublishCommand]
