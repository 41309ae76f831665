import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import type { TufProver } from '../trust/tuf/prover.ts'
import { verify, verifyFiles } from '../trust/verify.ts'
import { GupperCommand } from './command.ts'
import { RequireFlags, TokenFlags, TrustFlags, VerifyFlags } from './step-flags.ts'

class VerifyCommand extends VerifyFlags(RequireFlags(TrustFlags(TokenFlags(GupperCommand)))) {
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
      'With --trust the signed repository must vouch for each package under its file name, wherever its bytes came ' +
      'from: a mirror, a USB stick.\n' +
      'With FILEs, plain files are proven instead: one that is named like a package becomes a record, any other ' +
      'becomes {"file", "path", "size", "digest", "proofs"}, which is data and no record for the next step.',
    examples: [
      [
        'A step of an update',
        'gupper list http://repo:8080 | gupper fetch | gupper verify --minisign app.pub | gupper install --to ./app',
      ],
      [
        'Against a list of checksums',
        'gupper list http://repo:8080 | gupper fetch | gupper verify --checksums https://example.org/checksums.txt',
      ],
      [
        'Against a signed repository',
        'gupper list http://repo:8080 | gupper fetch | gupper verify --trust root.json --require tuf',
      ],
      [
        'A file from a USB stick',
        'gupper verify --trust root.json --repository /media/usb/repo app-1.9.2-linux-amd64',
      ],
      ['A file that was downloaded by hand', 'gupper verify app.tar.gz --minisign app.pub'],
      [
        'Several proofs, all of which must hold',
        'gupper list http://repo:8080 | gupper fetch | gupper verify --checksums SHA256SUMS --require digest,checksums',
      ],
    ],
  })

  repository = Option.Array('--repository', {
    description:
      'SOURCE: where the signed repository lies, several are mirrors (default: each record’s source, and for FILEs what this machine knows of it)',
  })
  files = Option.Rest({ name: 'FILE' })

  async run(): Promise<undefined> {
    const options = { ...this.verifyOptions(), tuf: await this.#prover() }
    if (this.files.length === 0) await this.write(verify(this.records(), options))
    else await this.write(verifyFiles(this.files, { ...options, cwd: this.context.cwd }))
  }

  async #prover(): Promise<TufProver | undefined> {
    const trust = await this.openTrust()
    if (trust === undefined && this.repository !== undefined)
      throw new GupperError('usage', '--repository needs the root of trust that speaks for it', {
        hint: 'give --trust ROOT.json',
      })
    if (trust === undefined) return undefined
    const { createProver } = await import('../sources/prover.ts')
    return createProver(trust, this.repository ?? [])
  }
}

export const commands = [VerifyCommand]
