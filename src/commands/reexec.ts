import { ppid } from 'node:process'
import { Command, Option } from 'clipanion'
import { readOutcome } from '../activations/exec.ts'
import { GupperError } from '../errors.ts'
import { from } from '../package/flow.ts'
import { GupperCommand } from './command.ts'
import { become } from './exec-command.ts'

class ReexecCommand extends GupperCommand {
  static override paths = [['reexec']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'become the new version: the last step of a pipe, same PID',
    details:
      'Reads records to their end (or to the first change, when they come from `watch`) and, when one says that ' +
      'something was installed, becomes the command after --, with the same PID, environment and working directory and ' +
      'with the terminal or /dev/null as its standard input. When a step failed, the command is not run and the ' +
      'failure is the exit status. With --always the command is run whatever happened.',
    examples: [
      [
        'Update, then run the new version',
        'gupper list ./packages --newer-than ./app | gupper fetch | gupper install --to ./app | gupper reexec -- ./app --serve',
      ],
      [
        'Start a program, updated if possible',
        'gupper list http://repo:8080 --newer-than ./app | gupper fetch | gupper install --to ./app | gupper reexec --always -- ./app',
      ],
    ],
  })

  always = Option.Boolean('--always', false, {
    description: 'run the command also when nothing changed or a step failed',
  })

  async run(): Promise<undefined> {
    if (this.context.command === undefined || this.context.command.length === 0)
      throw new GupperError('usage', 'no command is given', { hint: 'e.g.: gupper reexec -- ./app --serve' })
    const outcome = await readOutcome(this.records())
    await become(this, outcome, { always: this.always, cleanInput: true, parent: ppid })
    // There was nothing to become, so standard output is still ours: what was read passes through.
    await this.write(from(outcome.items))
  }
}

export const commands = [ReexecCommand]
