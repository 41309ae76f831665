import { Command } from 'clipanion'
import type { ServiceHome } from '../supervisor/home.ts'
import { statusColumns } from './service-columns.ts'
import { ServiceCommand } from './service-command.ts'

class FreezeCommand extends ServiceCommand {
  static override paths = [['freeze']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'let a service follow its source no more; what runs goes on',
    details:
      'Updates that come meanwhile wait; gupper activate is refused, also one that waits. Survives restarts. What runs is kept, and nothing else is started by itself.',
    examples: [
      ['Keep what runs', 'gupper freeze web'],
      ['On another machine', 'gupper freeze web@server'],
    ],
  })

  protected override columns = statusColumns

  protected async here(home: ServiceHome): Promise<undefined> {
    await this.ask(home, { verb: 'freeze' })
  }
}

export const commands = [FreezeCommand]
