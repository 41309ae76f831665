import { stat } from 'node:fs/promises'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { readLog } from '../logs/reader.ts'
import { parseCount } from '../package/duration.ts'
import { isTime } from '../package/time.ts'
import type { ServiceHome } from '../supervisor/home.ts'
import type { Columns } from '../terminal/table.ts'
import { ServiceCommand } from './service-command.ts'

const columns: Columns = {
  TIME: ({ time }) => String(time),
  STREAM: ({ stream }) => String(stream),
  LINE: ({ line }) => String(line),
}

class LogsCommand extends ServiceCommand {
  static override paths = [['logs']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'what the program of a service has written',
    details:
      'Both its streams, told apart, and what gupper says of it. Also of a service that does not run: the log is kept in ' +
      "files, in the format of Kubernetes' container logs, under $XDG_STATE_HOME/gupper/services/NAME/log.",
    examples: [
      ['The last lines', 'gupper logs web'],
      ['As they come', 'gupper logs web -f'],
      [
        'Only what it wrote to standard error',
        `gupper logs web --lines 1000 | jq -r 'select(.stream=="stderr").line'`,
      ],
    ],
  })

  follow = Option.Boolean('-f,--follow', false, { description: 'go on with what comes' })
  lines = Option.String('-n,--lines', '50', { description: 'N: how many of the last lines' })
  all = Option.Boolean('--all', false, { description: 'everything that is kept' })
  since = Option.String('--since', {
    description: 'TIME: only what was written after this time, e.g. 2026-11-20T10:00:00Z',
  })
  protected override columns = columns

  protected async here(home: ServiceHome): Promise<undefined> {
    const { follow, since, context } = this
    if (since !== undefined && !isTime(since))
      throw new GupperError(
        'usage',
        `--since takes a time such as 2026-11-20T10:00:00Z, not ${JSON.stringify(this.since)}`,
      )
    if (!(await stat(home.log).catch(() => undefined)))
      throw new GupperError('not-found', `there is no log of ${home.name} here`, {
        hint: 'gupper status lists the services',
      })
    const lines = this.all || since !== undefined ? undefined : parseCount(this.lines, '--lines')
    const options = {
      follow,
      signal: context.signal,
      ...(lines !== undefined && { lines }),
      ...(since !== undefined && { since }),
    }
    await this.write(readLog(home.log, options))
    context.signal.throwIfAborted()
  }
}

export const commands = [LogsCommand]
