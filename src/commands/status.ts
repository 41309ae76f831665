import { readdir, stat } from 'node:fs/promises'
import { Command, Option } from 'clipanion'
import { GupperError } from '../errors.ts'
import { parseCount } from '../package/duration.ts'
import { toFailure } from '../package/record.ts'
import { ask } from '../supervisor/client.ts'
import { homeOfService, isServiceName, servicesOf, type ServiceHome } from '../supervisor/home.ts'
import { stateHome } from './homes.ts'
import { historyColumns, statusColumns } from './service-columns.ts'
import { ServicesCommand } from './service-command.ts'

class StatusCommand extends ServicesCommand {
  static override paths = [['status']]
  static override rest = 'NAME'
  static override usage = Command.Usage({
    category: 'Services',
    description: 'how a service is: its version, its state, what is being made live',
    details:
      'States: OK; FREEZE, it follows its source no more; ROLLBACK, it is going back; BROKEN, with the reason; DIFF, what is ' +
      'installed is not what runs, or is gone. Without a name, all services of this user. The exit status is that of the first ' +
      'that is not well: 1 for one that is BROKEN, 69 for one that is not supervised or does not answer.',
    examples: [
      ['All services', 'gupper status'],
      ['What happened to one', 'gupper status web --history'],
      ['On another machine', 'gupper status web@server'],
    ],
  })

  services = Option.Rest()
  history = Option.Boolean('--history', false, { description: 'what happened to it, the newest first' })
  count = Option.String('--count', '20', { description: 'N: how many entries of the history' })
  protected override columns = statusColumns

  async run(): Promise<number | undefined> {
    const { services, history } = this
    let first: number | undefined
    if (services.length === 0 && history)
      throw new GupperError('usage', 'whose history?', { hint: 'gupper status NAME --history' })
    const words = services.length > 0 ? services : await this.#all()
    for (const word of words) {
      try {
        const status = (await this.on(word, words)) ?? 0
        if (status !== 0) first ??= this.failed || status
      } catch (thrown) {
        this.context.signal.throwIfAborted()
        // One whose state is damaged must not hide the others.
        await this.fail(thrown)
      }
    }
    return first
  }

  async #all(): Promise<string[]> {
    const state = stateHome(this.context.env)
    const names = (await readdir(servicesOf(state)).catch(() => [])).filter(isServiceName).sort()
    const known = await Promise.all(names.map(async (name) => exists(homeOfService(state, name).database)))
    // What never ran has no journal.
    return names.filter((_, index) => known[index])
  }

  protected async here(home: ServiceHome): Promise<number | undefined> {
    if (this.history) this.columns = historyColumns
    const { signal } = this.context
    const request = this.history
      ? { verb: 'history' as const, count: parseCount(this.count, '--count') }
      : { verb: 'status' as const }
    let broken = false
    try {
      for await (const item of ask(home, request, signal)) {
        broken ||= !this.history && item.state === 'BROKEN'
        if (!(await this.writeOne(item))) break
      }
    } catch (thrown) {
      if (!(thrown instanceof GupperError) || thrown.code !== 'not-running') throw thrown
      await this.#past(home, thrown)
    }
    return broken ? 1 : undefined
  }

  /** What was written down of a service that nobody supervises. */
  async #past(home: ServiceHome, missing: GupperError): Promise<void> {
    if (!(await exists(home.database))) throw missing
    const { Journal } = await import('../supervisor/journal.ts')
    const journal = await Journal.open(home.database)
    try {
      // One that was killed before it began has nothing to tell.
      if (journal.isEmpty) throw missing
      if (this.history)
        for (const entry of journal.history(parseCount(this.count, '--count')))
          await this.writeOne({ service: home.name, ...entry })
      else {
        const { describeFacts } = await import('../supervisor/status.ts')
        const { code, message, hint } = missing
        const forget = `${hint}; or forget it: rm -r ${home.directory}`
        this.report(toFailure('status', new GupperError(code, message, { hint: forget })))
        const { pid: _, ...past } = describeFacts(home.name, journal.facts)
        await this.writeOne({ ...past, supervised: false })
      }
    } finally {
      journal.close()
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

export const commands = [StatusCommand]
