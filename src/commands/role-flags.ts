import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseCount } from '../package/duration.ts'
import type { RepositoryOptions } from '../repository/hold.ts'
import { shortId, type KeyChange, type NamedKey } from '../repository/roles/key-change.ts'
import { keyTypes, type KeyType } from '../repository/keys/key-file.ts'
import { readPublicFile } from '../repository/keys/public-key.ts'
import { changeRole, type Making, type RoleChanged } from '../repository/roles/role-change.ts'
import type { GupperCommand } from './command.ts'
import { KeyFlags } from './key-flags.ts'

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what TypeScript asks of a mixin
type Base = abstract new (...args: any[]) => GupperCommand

/** The word for a kind of key. @throws GupperError `usage` (64) */
export function parseKeyType(word: string): KeyType {
  const found = keyTypes.find((type) => type === word)
  if (found !== undefined) return found
  throw new GupperError('usage', `"${word}" is no type of key`, { hint: `choose ${keyTypes.join(', ')}` })
}

/** What every verb that changes who may sign a role has in common. */
export function RoleFlags<B extends Base>(Base: B) {
  abstract class WithRole extends KeyFlags(Base) {
    protected override columns = {
      ROLE: ({ role }: Record<string, unknown>): string => String(role),
      VERSION: ({ version }: Record<string, unknown>): string => String(version),
      SIGNS: ({ threshold, keys }: Record<string, unknown>): string =>
        `${String(threshold)} of ${(keys as string[]).map(shortId).join(', ')}`,
      STATE: ({ pending, missing, changed }: Record<string, unknown>): string =>
        pending === true ? `waits (${String(missing)} missing)` : changed === true ? 'done' : 'nothing to do',
    }

    /** Arguments that must be there. @throws GupperError `usage` (64) */
    protected demand(words: Record<string, string | undefined>): void {
      const missing = Object.entries(words).find(([, word]) => word === undefined || word === '')
      if (missing)
        throw new GupperError('usage', `${missing[0]} is missing`, { hint: `gupper ${this.step} --help` })
    }

    /** Public keys by their files. */
    protected readPublics(files: readonly string[] = []): Promise<NamedKey[]> {
      return Promise.all(files.map((file) => readPublicFile(path.resolve(this.context.cwd, file))))
    }

    /** A key as people name it: by its public half in a file, or by its id or the beginning of that. */
    protected async readKeyWord(word: string): Promise<string | NamedKey> {
      if (/^[0-9a-f]{4,64}$/i.test(word)) return word
      return readPublicFile(path.resolve(this.context.cwd, word))
    }

    /** Where a new key is to be made: in the first directory of keys. */
    protected async making(type: string): Promise<Making> {
      for (const place of this.keyPlaces()) {
        const found = await stat(place).catch(() => undefined)
        if (found?.isFile() !== true)
          return { directory: place, type: parseKeyType(type), passphrase: await this.readPassphrase() }
      }
      throw new GupperError('usage', 'where does the new key go?', {
        hint: 'name a directory: --keys DIR; or give the public half of one: --key PUBLIC.pem',
      })
    }

    /** Everything that work on the repository needs. */
    protected async allOptions(): Promise<RepositoryOptions> {
      return { ...this.repositoryOptions(), keyring: await this.readKeys() }
    }

    /** Changes a role, and tells what became of it. */
    protected async change(repo: string, role: string, change: KeyChange, making?: Making): Promise<void> {
      const options = { ...(await this.allOptions()), making }
      await this.tell(repo, await changeRole(path.resolve(this.context.cwd, repo), role, change, options))
    }

    /** Writes what became of a change, and what to do next. */
    protected async tell(repo: string, changed: RoleChanged): Promise<void> {
      await this.writeOne(changed)
      if (this.quiet) return
      const say = (line: string): boolean => this.context.stderr.write(`${line}\n`)
      if (changed.made !== undefined) say(`the new key is ${changed.made}`)
      for (const file of changed.retired)
        say(`${changed.repository} needs ${file} no more: destroy it, unless another repository uses it`)
      if (changed.pending !== true) return
      if (changed.missing !== 0)
        say(
          `prepared in ${repo}/.gupper/pending; ${changed.missing ?? 1} more must sign it: gupper trust sign`,
        )
      else if (changed.awaits !== undefined)
        say(
          `prepared, but it waits for ${changed.awaits.join(' and ')}: gupper trust sign ${repo} --keys DIR`,
        )
      else
        say(`signed, but it waits for the keys of the other roles: gupper trust refresh ${repo} --keys DIR`)
    }

    /** A threshold. */
    protected readThreshold(word: string | undefined): { threshold?: number } {
      return word === undefined ? {} : { threshold: parseCount(word, '--threshold') }
    }
  }
  return WithRole
}

/** The flags for keys that a role gets. */
export function NewKeyFlags<B extends Base>(Base: B) {
  abstract class WithNewKey extends RoleFlags(Base) {
    key = Option.Array('--key', {
      description:
        'PUBLIC: the file of the public half of a key, whose owner keeps the rest; may be given again',
    })
    type = Option.String('--type', 'ed25519', {
      description: 'TYPE: of a key that is made, where none is given: ed25519, ecdsa or rsa',
    })
    threshold = Option.String('--threshold', {
      description: 'N: how many of its keys must sign (default: as many as before)',
    })

    /** The keys that were given, or where one is to be made. */
    protected async newKeys(): Promise<{ add: NamedKey[]; making: Making | undefined }> {
      const add = await this.readPublics(this.key)
      return { add, making: add.length > 0 ? undefined : await this.making(this.type) }
    }
  }
  return WithNewKey
}
