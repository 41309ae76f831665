import { createHash } from 'node:crypto'
import path from 'node:path'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { collectGarbage } from '../net/garbage.ts'
import { parseCount, parseDuration } from '../package/duration.ts'
import { parseVersion } from '../package/version.ts'
import { openSeen } from '../sources/seen.ts'
import { watch, watchOnce, type WatchOptions } from '../sources/watch.ts'
import { withLock } from '../store/lock.ts'
import { stateHome } from './homes.ts'
import { SourceCommand } from './source-command.ts'

class WatchCommand extends SourceCommand {
  static override paths = [['watch']]
  static override rest = 'SOURCE'
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'list, again and again: a record when something new appears',
    details:
      'Where the source pushes (`gupper serve`, a directory) news arrive at once; elsewhere it is asked every 30 s, at ' +
      'uneven times. Outages are waited out. Each package is written once, also after a restart: what was written is ' +
      'kept under $XDG_STATE_HOME/gupper/watch, for each set of arguments and working directory. With --newer-than PATH ' +
      'the installed version is the memory instead: what is still not installed is written again after --remind, and ' +
      'by the next start. With --once it looks once: no output and 0 when nothing is new, which suits cron.',
    examples: [
      [
        'Keep a program up to date',
        'gupper watch http://repo:8080 --newer-than ./app | gupper fetch | gupper verify | gupper install --to ./app',
      ],
      [
        'The same from cron, every ten minutes',
        '*/10 * * * * gupper watch --once http://repo:8080 --newer-than /opt/app | gupper fetch | gupper install --to /opt/app',
      ],
      ['Look now, and at three each morning', "gupper watch ./packages --cron '0 3 * * *'"],
    ],
  })

  every = Option.String('--every', '30s', {
    description: 'TIME: how often to ask a source that does not push',
  })
  cron = Option.String('--cron', {
    description: 'EXPR: after the first look, look at the times of this cron expression instead',
  })
  once = Option.Boolean('--once', false, { description: 'look once, and end' })
  count = Option.String('--count', { description: 'N: end after so many records' })
  remind = Option.String('--remind', '1h', {
    description:
      'TIME: with --newer-than PATH, write again what is still not installed after this time; 0 is never',
  })
  state = Option.String('--state', {
    description: 'FILE: where to keep what was written (default: a file in $XDG_STATE_HOME/gupper/watch)',
  })
  sources = Option.Rest()

  async run(): Promise<undefined> {
    if (this.once && this.cron !== undefined)
      throw new GupperError('usage', '--once and --cron exclude each other', {
        hint: 'give --once to a crontab line',
      })
    const options: WatchOptions = {
      ...(await this.sourceOptions()),
      signal: this.context.signal,
      every: Math.max(100, parseDuration(this.every, '--every')),
      next: this.cron === undefined ? undefined : await readCron(this.cron),
      filter: () => this.filter(),
      // What it took to start is held by nobody now, and may lie about for weeks.
      rest: () => collectGarbage(true),
      ...(this.count !== undefined && { count: parseCount(this.count, '--count') }),
    }
    const look = this.once ? watchOnce : watch
    // What is installed is the better memory: a record whose installation failed must come again.
    if (
      this.newerThan !== undefined &&
      parseVersion(this.newerThan) === undefined &&
      this.state === undefined
    ) {
      await this.write(look(this.sources, { ...options, remind: parseDuration(this.remind, '--remind') }))
      return
    }
    const file = this.#stateFile()
    const lock = {
      what: `the memory of this watch (${file})`,
      wait: this.once ? 60_000 : 0,
      signal: options.signal,
    }
    await withLock(`${file}.lock`, lock, async () => {
      const seen = await openSeen(file)
      await this.write(look(this.sources, { ...options, seen })).finally(() => seen.close())
    })
  }

  #stateFile(): string {
    const { cwd, env } = this.context
    if (this.state !== undefined) return path.resolve(cwd, this.state)
    const { names, os, arch, range, channel, newerThan, all, probe } = this
    const words: unknown[] = [cwd, this.sources, names, os, arch, range, channel, newerThan, all, probe]
    if (this.minAge !== undefined) words.push('min-age', this.minAge)
    if (this.now) words.push('now')
    // Who asks for proofs must be told what was told without them.
    const root = this.trustedRoot()
    if (root !== undefined) words.push('trust', path.resolve(cwd, root))
    const key = createHash('sha256').update(JSON.stringify(words)).digest('hex').slice(0, 16)
    return path.join(stateHome(env), 'watch', key)
  }
}

async function readCron(expression: string): Promise<() => number> {
  const { Cron } = await import('croner')
  try {
    const cron = new Cron(expression, { paused: true })
    if (cron.nextRun() === null) throw new Error('it never comes')
    return () => cron.msToNext() ?? Infinity
  } catch (error) {
    throw new GupperError(
      'usage',
      `--cron: "${expression}": ${error instanceof Error ? error.message : ''}`,
      {
        hint: "write e.g. '0 3 * * *'",
      },
    )
  }
}

export const commands = [WatchCommand]
