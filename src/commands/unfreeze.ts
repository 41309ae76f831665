import { Command } from 'clipanion'
import type { ServiceHome } from '../supervisor/home.ts'
import { statusColumns } from './service-columns.ts'
import { ServiceCommand } from './service-command.ts'

class UnfreezeCommand extends ServiceCommand {
  static override paths = [['unfreeze']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'let a service follow its source again',
    details: 'What has come meanwhile is looked for at once.',
    examples: [
      ['Follow the source again', 'gupper unfreeze web'],
      ['On another machine', 'gupper unfreeze web@server'],
    ],
  })

  protected override columns = statusColumns

  protected async here(home: ServiceHome): Promise<undefined> {
    await this.ask(home, { verb: 'unfreeze' })
  }
}

export const commands = [UnfreezeCommand]
