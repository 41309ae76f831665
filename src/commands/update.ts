import { ppid } from 'node:process'
import { Command, Option } from 'clipanion'
import { readOutcome } from '../activations/exec.ts'
import { from } from '../package/flow.ts'
import { update } from '../update.ts'
import { become } from './exec-command.ts'
import { SourceCommand } from './source-command.ts'
import { FetchFlags, InstallFlags, RequireFlags, VerifyFlags } from './step-flags.ts'

class UpdateCommand extends InstallFlags(VerifyFlags(FetchFlags(RequireFlags(SourceCommand)))) {
  static override paths = [['update']]
  static override rest = 'SOURCE'
  static override usage = Command.Usage({
    category: 'Composed',
    description: 'the steps composed: list, fetch, verify, install, reexec in one process',
    details:
      'Does what this pipe does, with the same functions, and returns what it would:\n' +
      'gupper list SOURCE --newer-than PATH | gupper fetch | gupper verify | gupper install --to PATH | gupper reexec -- CMD\n' +
      'Without a command after -- it ends there. With one it becomes that command when something was installed; with ' +
      '--always also when nothing was new or the update failed, so that an outage keeps no program from starting.',
    examples: [
      ['Update a program', 'gupper update http://repo:8080 --to ./app'],
      [
        'Start a program, updated if possible',
        'gupper update http://repo:8080 --to ./app --always -- ./app --serve',
      ],
      [
        'Only what its publisher signed, and what passes its own test',
        "gupper update http://repo:8080 --to ./app --minisign app.pub --require minisign --check '{} --self-test'",
      ],
    ],
  })

  // An update is of one program: there is no directory to put several into.
  override to = Option.String('--to', { description: 'PATH: the program' })
  always = Option.Boolean('--always', false, {
    description: 'run the command after -- also when nothing changed or a step failed',
  })
  sources = Option.Rest({ name: 'SOURCE' })

  async run(): Promise<undefined> {
    const sources = await this.sourceOptions()
    const options = {
      ...sources,
      tuf: sources.trust && (await import('../sources/prover.ts')).createProver(sources.trust, this.sources),
      ...(await this.fetchOptions()),
      ...this.verifyOptions(),
      ...this.installOptions(),
      nameFlag: '--name',
      filter: await this.filter(),
    }
    const items = update(this.sources, options)
    if (this.context.command === undefined) {
      await this.write(items)
      return
    }
    const outcome = await readOutcome(items)
    // Standard input was never read here: the program gets it as it is.
    await become(this, outcome, { always: this.always, cleanInput: false, parent: ppid })
    await this.write(from(outcome.items))
  }
}

export const commands = [UpdateCommand]
