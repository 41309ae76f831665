import { resolve } from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import type { Format } from '../package/filename.ts'
import { packPackage } from '../store/pack.ts'
import { GupperCommand } from './command.ts'

const formats: readonly string[] = ['raw', 'tar.gz', 'tar.zst', 'zip', 'tar'] satisfies Format[]

class PackCommand extends GupperCommand {
  static override paths = [['pack']]
  static override usage = Command.Usage({
    category: 'For publishers',
    description: 'make a package of a file or a directory',
    details:
      'The package is named NAME-VERSION-OS-ARCH and appears in DIR whole or not at all; its record is written. The same ' +
      'content gives the same bytes, whoever packs it and when. The time of everything in an archive is 1970, or ' +
      '$SOURCE_DATE_EPOCH.',
    examples: [
      ['An executable', 'gupper pack ./app --name app --version 1.2.3 --into ./packages'],
      [
        'A directory, for another machine',
        'gupper pack ./dist --name app --version 1.2.3 --os darwin --arch arm64 --format tar.zst',
      ],
    ],
  })

  input = Option.String({ name: 'PATH' })
  name = Option.String('--name', { description: 'NAME: what the program is called' })
  version = Option.String('--version', { description: 'VERSION: a semantic version; 1.9 is 1.9.0' })
  os = Option.String('--os', {
    description: 'OS: linux, darwin, windows, …, or any (default: this machine’s)',
  })
  arch = Option.String('--arch', { description: 'ARCH: amd64, arm64, …, or any (default: this machine’s)' })
  format = Option.String('--format', {
    description: 'FORMAT: raw, tar.gz, tar.zst, zip or tar (default: raw for a file, tar.gz for a directory)',
  })
  into = Option.String('--into', '.', { description: 'DIR: the directory that gets the package' })
  channel = Option.String('--channel', { description: 'CHANNEL: written to the record' })
  force = Option.Boolean('--force', false, { description: 'replace a package that has other bytes' })

  async run(): Promise<undefined> {
    const { name, version, format, channel, context } = this
    if (name === undefined) throw new GupperError('usage', 'which name? --name NAME is missing')
    if (version === undefined) throw new GupperError('usage', 'which version? --version VERSION is missing')
    if (format !== undefined && !isFormat(format))
      throw new GupperError('usage', `"${format}" is no format`, {
        hint: `choose one of ${formats.join(', ')}`,
      })
    const record = await packPackage(resolve(context.cwd, this.input), {
      ...{ name, version, os: this.os, arch: this.arch, format, channel },
      into: resolve(context.cwd, this.into),
      force: this.force,
      epoch: readEpoch(context.env.SOURCE_DATE_EPOCH),
      observer: this.observer,
      signal: context.signal,
    })
    await this.writeOne(record)
  }
}

function isFormat(word: string): word is Format {
  return formats.includes(word)
}

// https://reproducible-builds.org/specs/source-date-epoch/
function readEpoch(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const epoch = Number(text)
  if (/^\d{1,10}$/.test(text) && epoch < 2 ** 32) return epoch
  throw new GupperError('config', `SOURCE_DATE_EPOCH is "${text}", not a number of seconds since 1970`)
}

export const commands = [PackCommand]
