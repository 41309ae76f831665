import { Command, Option } from 'clipanion'
import { verify, verifyFiles } from '../trust/verify.ts'
import { GupperCommand } from './command.ts'
import { RequireFlags, TokenFlags, VerifyFlags } from './step-flags.ts'

class VerifyCommand extends VerifyFlags(RequireFlags(TokenFlags(GupperCommand))) {
  static override paths = [['verify']]
  static override rest = 'FILE'
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'prove what was fetched, and pass on only what holds',
    details:
      'Hashes the bytes of each record again and adds a proof for everything that holds: the digest, a line of a ' +
      'checksum file (as sha256sum, its --tag and GoReleaser write it), a minisign signature (beside the bytes, or ' +
      'beside their URL, with .minisig behind the name). What is asked for and is missing or wrong is refused with ' +
      '77. Without any proof a record is refused too, unless --require none. What --require names must be proven ' +
      'by this very step; the proofs of earlier steps are kept, but not counted for it.\n' +
      'With FILEs, plain files are proven instead: one that is named like a package becomes a record, any other ' +
      'becomes {"file", "path", "size", "digest", "proofs"}, which is data and no record for the next step.',
    examples: [
      [
        'A step of an update',
        'gupper list http://repo:8080 | gupper fetch | gupper verify --minisign app.pub | gupper install --to ./app',
      ],
      ['Against a list of checksums', 'gupper verify --checksums https://example.org/checksums.txt'],
      ['A file that was downloaded by hand', 'gupper verify app.tar.gz --minisign app.pub'],
      [
        'Several proofs, all of which must hold',
        'gupper verify --checksums SHA256SUMS --require digest,checksums',
      ],
    ],
  })

  files = Option.Rest({ name: 'FILE' })

  async run(): Promise<undefined> {
    const options = this.verifyOptions()
    if (this.files.length === 0) await this.write(verify(this.records(), options))
    else await this.write(verifyFiles(this.files, { ...options, cwd: this.context.cwd }))
  }
}

export const commands = [VerifyCommand]
