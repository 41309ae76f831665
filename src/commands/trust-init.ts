import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { initRepository } from '../repository/init.ts'
import { parseCount } from '../package/duration.ts'
import { readPublicFile } from '../repository/keys/public-key.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'
import { parseKeyType } from './role-flags.ts'

class TrustInitCommand extends KeyFlags(GupperCommand) {
  static override paths = [['trust', 'init']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'make a directory a signed repository (TUF), with its keys',
    details:
      'Makes three keys in DIR: root.pem, which vouches for the other keys, and targets.pem, which signs what you ' +
      'publish, both to be kept offline; and online.pem for the machine that signs every day that nothing is held back ' +
      '(snapshot and timestamp). Keys that are there already are used. Clients get REPO/metadata/1.root.json by a way ' +
      'they trust, best inside of the program itself. With a passphrase the keys are encrypted.',
    examples: [
      ['In one command', 'gupper trust init ./repo --keys ~/keys'],
      [
        'Encrypted, of a kind that hardware knows',
        'gupper trust init ./repo --keys ~/keys --type ecdsa --passphrase',
      ],
    ],
  })

  repo = Option.String({ name: 'REPO', required: false })
  key = Option.Array('--key', {
    description: 'PUBLIC: the public half of another root key, see trust key; may be given again',
  })
  threshold = Option.String('--threshold', '1', { description: 'N: how many root keys must sign the root' })
  type = Option.String('--type', 'ed25519', { description: 'TYPE: of new keys: ed25519, ecdsa or rsa' })

  protected override columns = {
    REPOSITORY: ({ repository }: Record<string, unknown>): string => String(repository),
    ROOT: ({ root }: Record<string, unknown>): string => String(root),
  }

  async run(): Promise<undefined> {
    const { repo, type, context } = this
    if (repo === undefined || repo === '')
      throw new GupperError('usage', 'which repository?', { hint: 'gupper trust init REPO --keys DIR' })
    const [keys, ...more] = this.keyPlaces()
    if (keys === undefined || more.length > 0)
      throw new GupperError('usage', 'where do the keys go? --keys DIR is missing, or given twice')
    const made = await initRepository(path.resolve(context.cwd, repo), {
      ...this.repositoryOptions(),
      keys,
      type: parseKeyType(type),
      others: {
        keys: await Promise.all(
          (this.key ?? []).map((file) => readPublicFile(path.resolve(context.cwd, file))),
        ),
        threshold: parseCount(this.threshold, '--threshold'),
      },
      passphrase: await this.readPassphrase(true),
    })
    await this.writeOne(made)
    // What to do next is what this verb is for: it is said also where only warnings are.
    if (!this.quiet) {
      const [root, targets, online] = made.keys.map((key) => key.path)
      for (const line of [
        `made ${made.repository}; next:`,
        ...(made.pending === undefined
          ? []
          : [`  have the others sign the root: gupper trust sign ${made.pending} --keys DIR`]),
        `  give ${made.root} to your clients, best inside of your program: it is what they trust`,
        `  publish: gupper publish --to ${repo} --keys ${keys} FILE…`,
        `  take ${root} and ${targets} offline, with a copy at another place; nobody can replace a lost root key`,
        `  leave ${online} to cron, once a day: gupper trust refresh ${repo} --keys DIR`,
      ])
        context.stderr.write(`${line}\n`)
    }
  }
}

export const commands = [TrustInitCommand]
