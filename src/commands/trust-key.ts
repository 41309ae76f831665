import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { makeKeyFiles } from '../repository/keys/public-key.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'
import { parseKeyType } from './role-flags.ts'

class TrustKeyCommand extends KeyFlags(GupperCommand) {
  static override paths = [['trust', 'key']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'make a key on its own, and its public half to give away',
    details:
      'Makes the private key FILE.pem, unless it is there, and writes its public half to FILE.pub. So everybody makes ' +
      'their key on their own machine, and only public halves travel: to trust init --key, trust add-key, trust rotate ' +
      'and trust delegate.',
    examples: [['A second holder of the root', 'gupper trust key ~/bob/root.pem']],
  })

  file = Option.String({ name: 'FILE', required: false })
  type = Option.String('--type', 'ed25519', { description: 'TYPE: of the new key: ed25519, ecdsa or rsa' })

  async run(): Promise<undefined> {
    const { file, context, observer } = this
    if (file === undefined || file === '')
      throw new GupperError('usage', 'which file?', { hint: 'gupper trust key DIR/root.pem' })
    const type = parseKeyType(this.type)
    const passphrase = await this.readPassphrase(true)
    const made = await makeKeyFiles(path.resolve(context.cwd, file), { type, passphrase, observer })
    await this.writeOne(made)
    observer.info(`give away ${made.public}, never ${made.path}`)
  }
}

export const commands = [TrustKeyCommand]
