import { Command, Option } from 'clipanion'
import { GupperError, isErrorCode } from '../errors.ts'
import { isFailure, toFailure, type Failure, type Item, type PackageRecord } from '../package/record.ts'
import { ask } from '../supervisor/client.ts'
import type { ServiceHome } from '../supervisor/home.ts'
import { activatedColumns } from './service-columns.ts'
import { ServiceCommand } from './service-command.ts'

class ActivateCommand extends ServiceCommand {
  static override paths = [['activate']]
  static override usage = Command.Usage({
    category: 'Steps',
    description: 'make what was installed live in a service: the step after install',
    details:
      'Reads the records of install, and returns for each only when its version is live, or the one before is again. The record ' +
      'then says what it took: `activated`: {service, way, from, to, took_ms, switched_ms, in_flight, held, retried, cut, lost, state}; null is ' +
      'what the way of going live cannot know. A version that fails is taken back at the target too, and its build held. Of ' +
      'several that come at once only the newest is made live.',
    examples: [
      [
        'The last step of an update',
        'gupper list http://repo:8080 --newer-than ./app | gupper fetch | gupper verify | gupper install --to ./app | gupper activate app',
      ],
      ['What was installed, and was not made live then', 'gupper activate --installed app'],
      [
        'What would happen?',
        'gupper list ./packages | gupper fetch | gupper install --to ./app | gupper activate app --dry-run',
      ],
    ],
  })

  installed = Option.Boolean('--installed', false, {
    description: 'read no records: what stands at the target of the service goes live',
  })
  dryRun = Option.Boolean('--dry-run', false, { description: 'only say what would happen' })
  protected override columns = activatedColumns

  protected async here(home: ServiceHome): Promise<undefined> {
    const { installed, dryRun } = this
    if (installed) await this.ask(home, { verb: 'activate', dryRun })
    else await this.write(this.#activate(home))
  }

  async *#activate(home: ServiceHome): AsyncGenerator<Item> {
    for await (const item of this.records())
      yield isFailure(item) ? item : await this.#activateOne(home, item)
  }

  async #activateOne(home: ServiceHome, record: PackageRecord): Promise<Item> {
    // What a hand-over came to stands in the record also when it failed.
    let told = record
    try {
      const { installed, digest } = record
      if (installed === undefined)
        throw new GupperError('bad-record', `the record of ${record.file} was not installed`, {
          hint: 'put gupper install before it',
        })
      const { dryRun, context } = this
      const request = {
        verb: 'activate' as const,
        target: installed.path,
        dryRun,
        ...(digest !== undefined && { digest }),
      }
      for await (const answer of ask(home, request, context.signal)) {
        if ('error' in answer) {
          const { error } = answer as unknown as Failure
          if (error.activated !== undefined) told = { ...record, activated: error.activated }
          throw revive(error)
        }
        return { ...record, activated: answer }
      }
      throw new GupperError('protocol', `${home.name} did not answer`)
    } catch (thrown) {
      if (thrown instanceof Error && thrown.name === 'AbortError') throw thrown
      return toFailure('activate', thrown, told)
    }
  }
}

function revive({ code, message, hint }: Failure['error']): GupperError {
  return new GupperError(isErrorCode(code) ? code : 'bug', message, hint === undefined ? {} : { hint })
}

export const commands = [ActivateCommand]
