import { addAbortSignal } from 'node:stream'
import { Command, Option, type BaseContext } from 'clipanion'
import { GupperError, explain } from '../errors.ts'
import { isMalformed, readItems, writeLine, writeText } from '../package/ndjson.ts'
import type { Observer } from '../package/observer.ts'
import { isFailure, toFailure, type Failure, type Item } from '../package/record.ts'
import { createLog } from '../terminal/log.ts'
import { createTable, type Columns } from '../terminal/table.ts'

// Through here and not by import('clipanion'): a bundled CommonJS module that is loaded lazily loses its names.
export { Cli, UsageError } from 'clipanion'

/** What the world gives to a command; cli.ts makes it, tests may make their own. */
export interface Context extends BaseContext {
  cwd: string
  /** Aborted by SIGINT, SIGTERM or SIGHUP; the reason is a {@link Stopped}. */
  signal: AbortSignal
  /** Which of the streams are terminals, and how wide standard error's is. */
  terminal: { stdin: boolean; stdout: boolean; stderr: boolean; columns: number }
  /** What stood after `--`, for the verbs that take a command. */
  command: readonly string[] | undefined
  /** The words of the call, without those after `--`: the verb first. */
  words: readonly string[]
  /** Calls back at each of these signals; none of them stops the verb any more. */
  takeSignal(signal: NodeJS.Signals, listener: () => void): void
  /** From now on a slow reader of standard output or error holds nobody up; whoever writes looks at what waits. */
  unblock(): void
  /** Gives up what nobody has read of standard output and error: nothing more can be written. */
  abandon(): void
  /** Becomes another program; returns only by throwing. */
  exec(file: string, args: readonly string[], env: Record<string, string | undefined>): never
}

/** Why a command was told to stop: the signal's name and number. */
export class Stopped extends Error {
  override readonly name = 'AbortError'
  readonly number: number
  constructor(signal: string, number: number) {
    super(`stopped by ${signal}`)
    this.number = number
  }
}

/**
 * What every verb has in common: the flags for output and log, records in, records out, and the exit status of the
 * first failure that went through.
 */
export abstract class GupperCommand extends Command<Context> {
  json = Option.Boolean('--json', false, { description: 'write JSON lines, also on a terminal' })
  text = Option.Boolean('--text', false, { description: 'write an aligned table, also into a pipe' })
  quiet = Option.Boolean('-q,--quiet', false, { description: 'say nothing on standard error but errors' })
  verbose = Option.Boolean('-v,--verbose', false, { description: 'say more on standard error' })
  logFormat = Option.String('--log', 'text', {
    description: 'FORMAT: how to write standard error: text or json',
  })

  /** The word for arguments of which there may be many, "SOURCE": clipanion keeps it to itself. */
  static rest: string | undefined

  /** Own columns of the table, where the common ones do not fit. */
  protected columns: Columns | undefined
  #status = 0
  #observer: (Observer & { end(): void }) | undefined
  #table: ReturnType<typeof createTable> | undefined
  readonly #passed = new WeakSet<Failure>()

  /** The work of the verb. Returns an exit status only where it is not that of the first failure. */
  abstract run(): Promise<number | undefined>

  /** Not for verbs: clipanion calls it through validateAndExecute, which is ours. */
  execute(): Promise<number | undefined> {
    return this.run()
  }

  /** Runs the verb; whatever it throws is reported on standard error and becomes the exit status. */
  override async validateAndExecute(): Promise<number> {
    let status: number | undefined
    try {
      this.#checkFlags()
      status = await this.run()
    } catch (thrown) {
      const { signal } = this.context
      if (signal.aborted && signal.reason instanceof Stopped) status = 128 + signal.reason.number
      else await this.fail(thrown)
    }
    await this.#table?.end()
    this.#observer?.end()
    return status ?? this.#status
  }

  #checkFlags(): void {
    if (this.json && this.text) throw new GupperError('usage', '--json and --text exclude each other')
    if (this.logFormat !== 'text' && this.logFormat !== 'json')
      throw new GupperError('usage', `--log is text or json, not "${this.logFormat}"`)
  }

  /** The verb, as people type it. */
  get step(): string {
    return this.path.join(' ')
  }

  /** Where the verb talks to people. */
  get observer(): Observer {
    this.#observer ??= createLog({
      step: this.step,
      stream: this.context.stderr,
      format: this.logFormat === 'json' ? 'json' : 'text',
      level: this.quiet ? 'error' : this.verbose ? 'debug' : this.context.terminal.stderr ? 'info' : 'warn',
      terminal: this.context.terminal.stderr,
      columns: this.context.terminal.columns,
      color: this.context.colorDepth > 1,
    })
    return this.#observer
  }

  /** The records on standard input; malformed lines arrive as failures that name the line. */
  protected async *records(): AsyncGenerator<Item> {
    if (this.context.terminal.stdin)
      throw new GupperError('usage', 'standard input is a terminal, but this step reads records from it', {
        hint: `put a step before it, e.g.: gupper list SOURCE | gupper ${this.step}`,
      })
    const stdin = addAbortSignal(this.context.signal, this.context.stdin)
    try {
      for await (const item of readItems(this.step, stdin as AsyncIterable<Buffer>)) {
        if (isFailure(item) && !isMalformed(item)) this.#passed.add(item)
        yield item
      }
    } catch (error) {
      throw explain(error, 'cannot read standard input', true)
    }
  }

  /**
   * Writes what a step yields, as it comes; ends quietly when the reader has gone.
   * @returns how many records were written, without failures
   */
  protected async write(items: AsyncIterable<object>): Promise<number> {
    let records = 0
    for await (const item of items) {
      if (!(await this.writeOne(item))) break
      if (!('error' in item)) records++
    }
    return records
  }

  /** Writes one record, failure or other value; false when the reader has gone. */
  protected async writeOne(item: object): Promise<boolean> {
    if ('error' in item) this.report(item as Failure)
    if (!this.tabular) return writeLine(this.context.stdout, item)
    if ('error' in item) return true
    this.#table ??= createTable(this.columns, {
      write: (text) => writeText(this.context.stdout, text),
      color: this.context.colorDepth > 1 && this.context.terminal.stdout,
    })
    return this.#table.add(item)
  }

  /** The exit status of the first failure so far; 0 without one. */
  protected get failed(): number {
    return this.#status
  }

  /** Whether standard output gets a table (a terminal) or JSON lines (anything else). */
  protected get tabular(): boolean {
    return this.text || (this.context.terminal.stdout && !this.json)
  }

  /** Tells people of a failure, and takes its exit status if it is the first. */
  report(failure: Failure): void {
    const { error } = failure
    if (this.#status === 0) this.#status = error.exit
    if (this.#passed.has(failure))
      this.observer.info(`not done, since ${error.step} failed before: ${error.message}`)
    else this.observer.error(error.message, { step: error.step, code: error.code, hint: error.hint })
  }

  /** Reports a failure of the whole verb and lets it travel to the next step. */
  protected async fail(thrown: unknown): Promise<void> {
    const failure = toFailure(this.step, thrown)
    await this.writeOne(failure)
    if (thrown instanceof Error && (failure.error.code === 'bug' || thrown.cause !== undefined))
      this.observer.debug(String(thrown.stack ?? thrown), {
        cause: thrown.cause instanceof Error ? thrown.cause.message : undefined,
      })
  }
}
