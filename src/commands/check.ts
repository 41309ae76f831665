import { Command } from 'clipanion'
import type { ServiceHome } from '../supervisor/home.ts'
import { activatedColumns } from './service-columns.ts'
import { ServiceCommand } from './service-command.ts'

class CheckCommand extends ServiceCommand {
  static override paths = [['check']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'let a service look for an update now, and make it live',
    details:
      'Returns when the update is live or taken back; nothing and 0 when nothing is new. For services that were started with --source.',
    examples: [
      ['Do not wait for the next look', 'gupper check web'],
      ['On another machine', 'gupper check web@server'],
    ],
  })

  protected override columns = activatedColumns

  protected async here(home: ServiceHome): Promise<undefined> {
    await this.ask(home, { verb: 'check' })
  }
}

export const commands = [CheckCommand]
