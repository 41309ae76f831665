import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { writeText } from '../package/ndjson.ts'
import { describeChange } from '../repository/pending/describe.ts'
import {
  describeDoubt,
  hasSignedBefore,
  readCarried,
  signerOf,
  type Signer,
} from '../repository/pending/carried.ts'
import { quoted } from '../repository/pending/quote.ts'
import { shortId } from '../repository/roles/key-change.ts'
import { noKeys } from '../repository/keys/keyring.ts'
import { metadataName } from '../repository/layout.ts'
import { readOutsideSignature, type OutsideSignature } from '../repository/pending/outside-signature.ts'
import { findPlaces, lackOfWaiting, type Places, type Waiting } from '../repository/pending/file.ts'
import { reviewWaiting } from '../repository/pending/collect.ts'
import { agreementOf, lacksOwn, signFiles, signRepository } from '../repository/pending/sign.ts'
import { printable } from '../terminal/text.ts'
import { askYes } from '../terminal/yes.ts'
import { signedBytes } from '../trust/tuf/threshold.ts'
import { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'

class TrustSignCommand extends KeyFlags(GupperCommand) {
  static override paths = [['trust', 'sign']]
  static override rest = 'REPO|FILE'
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'add your signature to a change that waits for it, after reading what it changes',
    details:
      'Says in plain words what would change (with --verbose every package of it), asks, and signs with the keys at hand. A ' +
      'FILE of REPO/.gupper/pending can be carried to where the key is, and is signed there alone, compared with the version ' +
      'before it that it brings along; REPO FILE… brings its signatures home. A REPO commits what ' +
      'is complete, if the online key is at hand where it takes that; else gupper trust refresh does. Without keys it only ' +
      'tells. What was changed after somebody signed it is refused, and so is another key under an id, or another version than ' +
      'the next.\n' +
      'For a key that cannot leave its smartcard or HSM, --bytes writes exactly what is to be signed, and --signature with ' +
      '--key brings the signature that was made of it; it is held against the key first.',
    examples: [
      ['On the machine with the key', 'gupper trust sign /media/stick/2.root.json --keys ~/bob'],
      ['Back at the repository', 'gupper trust sign ./repo /media/stick/2.root.json'],
      [
        'By a key (Ed25519, or ECDSA on P-256) that only openssl or a card can use',
        'gupper trust sign 2.root.json --bytes >bytes && openssl pkeyutl -sign -rawin -inkey key.pem -in bytes -out sig && ' +
          'gupper trust sign 2.root.json --signature sig --key key.pub',
      ],
    ],
  })

  words = Option.Rest({ name: 'REPO|FILE' })
  yes = Option.Boolean('-y,--yes', false, { description: 'sign without being asked' })

  bytes = Option.Boolean('--bytes', false, {
    description: 'write what is to be signed, to be signed elsewhere',
  })
  signature = Option.String('--signature', {
    description: 'FILE: a signature of these bytes, made elsewhere (Ed25519, ECDSA in DER, RSA-PSS)',
  })
  key = Option.String('--key', { description: 'PUBLIC: the file of the public half of the key that made it' })

  protected override columns = {
    ROLE: ({ role }: Record<string, unknown>): string => String(role),
    VERSION: ({ version }: Record<string, unknown>): string => String(version),
    SIGNED: ({ signed }: Record<string, unknown>): string => (signed as string[]).map(shortId).join(', '),
    STATE: ({ committed, missing }: Record<string, unknown>): string =>
      committed === true ? 'done' : missing === 0 ? 'complete' : `${String(missing)} missing`,
  }

  async run(): Promise<undefined> {
    const { cwd } = this.context
    if (this.words.length === 0)
      throw new GupperError('usage', 'what is to be signed?', {
        hint: 'gupper trust sign REPO|FILE --keys DIR',
      })
    const places = this.words.map((word) => path.resolve(cwd, word))
    const outside = await this.#readOutside()
    if (this.bytes) {
      await this.#writeBytes(places)
      return
    }
    const found = await findPlaces(places)
    const { repository, files } = found
    const keyring = await this.readKeys()
    const signer = signerOf(keyring, outside)
    const waiting = await this.#read(found, signer)
    if (waiting.length === 0) this.observer.warn('nothing waits for signatures')
    for (const one of waiting) this.#show(one, repository === undefined ? signer : undefined)
    if (waiting.some((one) => lacksOwn(one, keyring))) await this.#ask()
    const agreed = agreementOf(waiting)
    const options = { ...this.repositoryOptions(), keyring }
    const results =
      repository === undefined
        ? await signFiles(files, agreed, keyring, outside)
        : await signRepository(repository, files, agreed, options, outside)
    for (const result of results) await this.writeOne(result)
    const ready = results.filter(({ missing, committed }) => missing === 0 && !committed)
    if (ready.length > 0 && !this.quiet) this.#say(repository === undefined ? complete : online)
  }

  async #readOutside(): Promise<OutsideSignature | undefined> {
    const { signature, key, bytes } = this
    if ((signature === undefined) !== (key === undefined))
      throw new GupperError('usage', '--signature and --key belong together', {
        hint: 'give the signature, and the public half of the key that made it',
      })
    if (signature === undefined || key === undefined) return undefined
    if (bytes) throw new GupperError('usage', '--bytes and --signature exclude each other')
    const { cwd } = this.context
    return readOutsideSignature(path.resolve(cwd, signature), path.resolve(cwd, key))
  }

  async #read({ repository, files }: Places, signer: Signer): Promise<Waiting[]> {
    if (repository === undefined) return Promise.all(files.map((file) => readCarried(file, signer)))
    return reviewWaiting(repository, files, this.repositoryOptions())
  }

  async #writeBytes(words: readonly string[]): Promise<void> {
    const places = await findPlaces(words)
    const signer = signerOf(noKeys)
    const all = await this.#read(places, signer)
    const [name, ...more] = words.map((word) => path.basename(word))
    // A file that lies in its repository is that one change of it, told by what the repository knows.
    const named = all.filter(({ role, envelope }) => metadataName(role, envelope.signed.version) === name)
    const [one, ...others] = more.length === 0 && named.length > 0 ? named : all
    if (one === undefined || others.length > 0)
      throw new GupperError(
        'usage',
        `${all.length} changes wait there for signatures, but bytes are of one`,
        {
          hint: 'name its file: gupper trust sign REPO/.gupper/pending/FILE --bytes',
        },
      )
    this.#show(one, places.repository === undefined ? signer : undefined)
    await writeText(this.context.stdout, signedBytes(one.envelope).toString('utf8'))
  }

  async #ask(): Promise<void> {
    if (this.yes) return
    if (!(await askYes('sign this?', this.context.signal)))
      throw new GupperError('no', 'nothing was signed', { hint: 'ask whoever made the change' })
  }

  // Much of it is what others wrote.
  #say(line: string): void {
    this.context.stderr.write(`${printable(line)}\n`)
  }

  // Whoever signs has to read it, also where only warnings are told.
  #show(one: Waiting, alone: Signer | undefined): void {
    const { envelope, before } = one
    const role = `${quoted(one.role)}${alone === undefined || one.role === 'root' ? '' : ', as the file says'}`
    this.#say(`version ${envelope.signed.version} of ${role}:`)
    if (alone !== undefined) for (const line of describeDoubt(one, alone)) this.#say(`  ${line}`)
    for (const line of describeChange(envelope, before, this.verbose)) this.#say(`  ${line}`)
    if (alone !== undefined && before !== undefined && !hasSignedBefore(one, alone)) {
      this.#say('  in full, since that version is the word of the file alone:')
      for (const line of describeChange(envelope, undefined, this.verbose)) this.#say(`    ${line}`)
    }
    const by = envelope.signatures.map(({ keyid }) => quoted(shortId(keyid)))
    const missing = lackOfWaiting(one)
    this.#say(`  signed by ${by.length > 0 ? by.join(', ') : 'nobody'} so far; ${missing} more must sign`)
  }
}

const complete = 'complete: bring it back with: gupper trust sign REPO FILE'
const online = 'complete; it is made by whoever has the online key: gupper trust refresh REPO --keys DIR'

export const commands = [TrustSignCommand]
