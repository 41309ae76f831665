import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { Option } from 'clipanion'
import { GupperError, explaining } from '../errors.ts'
import { parseDuration } from '../package/duration.ts'
import type { RepositoryOptions } from '../repository/hold.ts'
import { readKeyring, type Keyring } from '../repository/keys/keyring.ts'
import { formatLives, readLives } from '../repository/lives.ts'
import { askPassphrase } from '../terminal/passphrase.ts'
import type { GupperCommand } from './command.ts'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what TypeScript asks of a mixin
type Base = abstract new (...args: any[]) => GupperCommand

/** The flags of every verb that signs. */
export function KeyFlags<B extends Base>(Base: B) {
  abstract class WithKeys extends Base {
    keys = Option.Array('--keys', {
      description: 'DIR: where your private keys are; may be given again (or the variable GUPPER_KEYS)',
    })
    passphraseFile = Option.String('--passphrase-file', {
      description: 'FILE: its first line opens the keys (or the variable GUPPER_PASSPHRASE)',
    })
    passphrase = Option.Boolean('--passphrase', false, {
      description: 'ask on the terminal for what opens the keys',
    })
    expires = Option.Array('--expires', {
      description: `ROLE=TIME: how long what is signed stands (default: ${formatLives()})`,
    })
    wait = Option.String('--wait', '60s', { description: 'TIME: how long to wait for another gupper there' })

    /** The places of keys that were given, absolute. */
    protected keyPlaces(): string[] {
      const { cwd, env } = this.context
      const given = this.keys ?? (env.GUPPER_KEYS ?? '').split(path.delimiter).filter(Boolean)
      if (given.includes('')) throw new GupperError('usage', '--keys is empty', { hint: 'name a directory' })
      return given.map((place) => path.resolve(cwd, place))
    }

    /**
     * What opens the keys: from a file, from the environment, or from the terminal; never an argument, which everybody
     * on the machine could read.
     * @param twice whether keys are made with it
     */
    protected readPassphrase(twice = false): Promise<string | undefined> {
      // Nobody is asked twice for the same.
      return (this.#phrase ??= this.#readPassphrase(twice))
    }

    #phrase: Promise<string | undefined> | undefined

    async #readPassphrase(twice: boolean): Promise<string | undefined> {
      const { cwd, env, signal } = this.context
      if (this.passphraseFile !== undefined) {
        if (this.passphrase)
          throw new GupperError('usage', '--passphrase and --passphrase-file exclude each other')
        const file = path.resolve(cwd, this.passphraseFile)
        const { mode } = await explaining(`cannot read ${file}`, () => stat(file), true)
        if ((mode & 0o077) !== 0) this.observer.warn(`the passphrase in ${file} can be read by others`)
        const text = await explaining(`cannot read ${file}`, () => readFile(file, 'utf8'), true)
        const [line = ''] = text.split(/\r?\n/, 1)
        if (line === '') throw new GupperError('config', `the first line of ${file} is empty`)
        return line
      }
      if (this.passphrase) return askPassphrase('passphrase of the keys', twice, signal)
      if (env.GUPPER_PASSPHRASE === '')
        throw new GupperError('config', 'the variable GUPPER_PASSPHRASE is empty', {
          hint: 'unset it, or put into it what opens the keys',
        })
      return env.GUPPER_PASSPHRASE
    }

    /** The keys at hand. */
    protected async readKeys(): Promise<Keyring> {
      const places = this.keyPlaces()
      return readKeyring(places, {
        observer: this.observer,
        ...(places.length > 0 && { passphrase: await this.readPassphrase() }),
      })
    }

    /** What work on a repository needs, but for the keys. */
    protected repositoryOptions(): Omit<RepositoryOptions, 'keyring'> {
      return {
        lives: readLives(this.expires ?? []),
        wait: parseDuration(this.wait, '--wait'),
        signal: this.context.signal,
        observer: this.observer,
      }
    }
  }
  return WithKeys
}
