import { Command } from 'clipanion'
import { exitStatuses } from '../errors.ts'
import { writeText } from '../package/ndjson.ts'
import { renderManual } from '../terminal/manual.ts'
import { version } from '../version.ts'
import { readCatalog } from './catalog.ts'
import { GupperCommand } from './command.ts'

class ManCommand extends GupperCommand {
  static override paths = [['man']]
  static override usage = Command.Usage({
    category: 'About gupper',
    description: 'print the manual page, for man(1)',
    details: 'Made from the verbs’ own definitions, in the macros of man(7).',
    examples: [
      ['Read it', 'man -l <(gupper man)'],
      ['Install it', 'mkdir -p ~/.local/share/man/man1 && gupper man >~/.local/share/man/man1/gupper.1'],
    ],
  })

  async run(): Promise<undefined> {
    const page = renderManual({
      name: 'gupper',
      about: 'small commands that ship and update programs, with JSON lines between them',
      version,
      synopsis: [
        'gupper VERB [FLAGS…] [ARGUMENTS…]',
        'gupper VERB --help',
        'gupper help [VERB | exit-codes]',
      ],
      description,
      verbs: await readCatalog(),
      statuses: exitStatuses.map(({ exit, meaning }) => [exit, meaning] as const),
      environment,
      files,
      seeAlso: ['jq(1)', 'minisign(1)', 'sha256sum(1)', 'crontab(5)', 'man(7)'],
    })
    await writeText(this.context.stdout, page)
  }
}

export const commands = [ManCommand]

const description = [
  'Every step of an update is a program, every package is a line of JSON, and every update can be taken back. A step ' +
    'reads records from standard input, acts on each of them, and writes a record only after its own work on it has ' +
    'succeeded; fields it does not know pass through untouched, so other programs can stand between two steps.',
  'Data goes to standard output, everything else to standard error. Standard output is JSON lines, or an aligned ' +
    'table on a terminal; --json and --text force one.',
  'A step that fails writes {"error": …} in place of the record. Later steps pass it on, do not act on it, and exit ' +
    'with its status, so that a pipe fails at its end also where the shell knows no pipefail.',
]

const environment = [
  ['XDG_CACHE_HOME', 'where the cache of downloads is, in gupper (default: ~/.cache)'],
  ['XDG_STATE_HOME', 'where what must be remembered is, in gupper (default: ~/.local/state)'],
  ['GUPPER_TOKEN_FILE', 'the token file, where --token-file is not given'],
  ['GUPPER_TRUST', 'the root of trust of a signed repository, where --trust is not given'],
  ['GUPPER_KEYS', 'the directories of your private keys, where --keys is not given'],
  ['GUPPER_PASSPHRASE', 'what opens them, where --passphrase-file is not given'],
  ['HTTP_PROXY, HTTPS_PROXY, NO_PROXY', 'the proxies for downloads, and what is reached without them'],
  ['NODE_EXTRA_CA_CERTS', 'a file of further certificate authorities to trust'],
  ['NO_COLOR', 'no colours, when it is set and not empty'],
] as const

const files = [
  ['$XDG_CACHE_HOME/gupper', 'downloads, by their digests; may be removed at any time'],
  [
    'DIR/.gupper/NAME/',
    'beside a target DIR/NAME: the versions that can be gone back to, the receipt and the lock',
  ],
] as const
