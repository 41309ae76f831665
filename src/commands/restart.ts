import { Command } from 'clipanion'
import type { ServiceHome } from '../supervisor/home.ts'
import { activatedColumns } from './service-columns.ts'
import { ServiceCommand } from './service-command.ts'

class RestartCommand extends ServiceCommand {
  static override paths = [['restart']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'start the program of a service anew, by the way it went live',
    details:
      'Behind the proxy or with a socket nobody notices: the new one is ready before the old one ends. Returns when that is done.',
    examples: [
      ['Start it anew', 'gupper restart web'],
      ['On another machine', 'gupper restart web@server'],
    ],
  })

  protected override columns = activatedColumns

  protected async here(home: ServiceHome): Promise<undefined> {
    await this.ask(home, { verb: 'restart' })
  }
}

export const commands = [RestartCommand]
