import { randomBytes } from 'node:crypto'
import type { Release, StartPlan } from '../../activations/activation.ts'
import { LogSource } from '../../logs/source.ts'
import type { LogWriter } from '../../logs/writer.ts'
import type { Observer } from '../../package/observer.ts'
import { formatTime } from '../../package/time.ts'
import type { ListenAddress } from '../../net/listening.ts'
import type { Candidate, Check, PreparedCheck } from '../../readiness/check.ts'
import type { SavedProgram } from '../journal.ts'
import { Keeper, type KeeperIdentity } from './keeper.ts'
import { killLeftovers } from './leftovers.ts'
import { readOutput, type Output } from './output.ts'
import { wordsOfWaiter } from './keeper-script.ts'
import { findProcesses, isAlive, killWithGroup } from './process.ts'
import { markName, Program } from './program.ts'
import { commandFor } from '../release.ts'
import type { Settings } from '../settings.ts'

/** What programs are started with. */
export interface ProgramsOptions {
  settings: Settings
  directory: string
  log: LogWriter
  check: Check | undefined
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  observer: Observer
}

const every = 1000 // ms: nobody tells of the end of a program whose waiter was killed
const unknownStatus = 255

interface Kept {
  program: Program
  source: LogSource
  output: Output
  prepared: PreparedCheck | undefined
}

/** The programs of a service: the one that is live, the one that is to be, the one that finishes. */
export class Programs {
  readonly #options: ProgramsOptions
  readonly #kept = new Map<string, Kept>()
  #keeper: Keeper | undefined
  #watch: NodeJS.Timeout | undefined

  constructor(options: ProgramsOptions) {
    this.#options = options
  }

  /** Starts the keeper, with the socket where there is one. */
  async open(listen: ListenAddress | undefined): Promise<KeeperIdentity> {
    this.#keeper = await Keeper.start(this.#options.directory, listen)
    return this.#meet(this.#keeper)
  }

  /** Finds the keeper of a supervisor that is gone; false when there is none. */
  async find(identity: KeeperIdentity | undefined): Promise<boolean> {
    this.#keeper = identity && (await Keeper.find(this.#options.directory, identity))
    return this.#keeper !== undefined
  }

  /** Where the socket really listens. */
  get listen(): ListenAddress | undefined {
    return this.#keeper?.identity.listen
  }

  /** Starts a program of a release. */
  async start(release: Release, plan: StartPlan): Promise<Program> {
    const { settings, env, cwd, check, observer } = this.#options
    const keeper = this.#needKeeper()
    await keeper.revive()
    const id = randomBytes(6).toString('hex')
    const place = await keeper.prepare(id)
    const prepared = await check?.prepare(place, observer)
    const source = new LogSource(this.#options.log)
    const output = readOutput(place, source)
    const command = plan.inPlace
      ? settings.command
      : commandFor(settings.command, settings.target, release, cwd)
    const fill = (word: string): string =>
      word.replaceAll('{port}', String(plan.port ?? '')).replaceAll('{version}', release.version)
    const began = new Date()
    try {
      const identity = await keeper.launch({
        id,
        cwd,
        command: [...(plan.port === undefined ? command : command.map(fill)), ...(plan.args ?? [])],
        env: {
          ...env,
          GUPPER_SERVICE: settings.name,
          GUPPER_VERSION: release.version,
          GUPPER_PROGRAM: release.path,
          [markName]: id,
          ...plan.env,
          ...prepared?.inherit.env,
        },
        socket: plan.socket ?? false,
        pipes: prepared?.inherit.fds ?? {},
        openFiles: settings.openFiles,
      })
      output.started()
      const program = new Program(
        { id, release, ...identity, port: plan.port, since: formatTime(began) },
        began.getTime(),
      )
      this.#keep({ program, source, output, prepared })
      // It may have ended before it was kept, and that is told only once.
      const status = keeper.statusOf(id)
      if (status !== undefined) void this.#end(id, status)
      return program
    } catch (error) {
      // It may happen yet, when nobody knows of it any more; and what was prepared may take room that is lacking.
      await keeper.cancel(id)
      await output.finish()
      await prepared?.close()
      throw error
    }
  }

  /** Takes over a program that was found running. */
  adopt(saved: SavedProgram): Program {
    const keeper = this.#needKeeper()
    const program = new Program(saved)
    const source = new LogSource(this.#options.log)
    const output = readOutput(keeper.placeOf(saved.id), source)
    output.started()
    this.#keep({ program, source, output, prepared: undefined })
    return program
  }

  /** Listens for the end of programs, also of those that have ended meanwhile: whoever was adopted by now is told. */
  attend(): void {
    if (this.#keeper) this.#meet(this.#keeper)
  }

  /** Tells the keeper to go; what it has started goes on. */
  dismiss(): void {
    this.#keeper?.quit()
    this.#keeper = undefined
  }

  /** Waits until a program is ready. @throws GupperError `not-ready` (65) */
  async ready(program: Program, at: Place, signal: AbortSignal): Promise<void> {
    const { prepared, source } = this.#kept.get(program.id) ?? {}
    await prepared?.wait(this.#candidate(program, at), signal)
    // From now on its lines pass through as bytes.
    source?.settle()
  }

  /** Whether a program is ready still; the reason when not. */
  async again(program: Program, at: Place, signal: AbortSignal): Promise<string | undefined> {
    const { prepared } = this.#kept.get(program.id) ?? {}
    return prepared?.again(this.#candidate(program, at), signal)
  }

  /**
   * Kills whatever was started here and is none of these programs; see {@link killLeftovers}.
   * @param known programs that were written down
   */
  async killOthers(but: readonly string[], known: readonly SavedProgram[] = []): Promise<void> {
    for (const program of known) if (!but.includes(program.id)) await killWithGroup(program)
    await killLeftovers(this.#options.directory, but, this.#options.log)
  }

  /** How a program has ended that nobody has looked after, as of a shell; undefined when nobody knows. */
  statusOf(id: string): number | undefined {
    return this.#keeper?.statusOf(id)
  }

  /** The keeper as it is now. */
  get keeper(): KeeperIdentity | undefined {
    return this.#keeper?.identity
  }

  /** Lets the keeper go, when all programs have ended. */
  async close(): Promise<void> {
    clearInterval(this.#watch)
    await Promise.all([...this.#kept.values()].map(async ({ output }) => output.finish()))
    this.#keeper?.quit()
  }

  #needKeeper(): Keeper {
    if (this.#keeper === undefined) throw new Error('there is no keeper')
    return this.#keeper
  }

  #meet(keeper: Keeper): KeeperIdentity {
    keeper.onEnded = (id, status) => void this.#end(id, status)
    return keeper.identity
  }

  #keep(kept: Kept): void {
    this.#kept.set(kept.program.id, kept)
    kept.program.lastLines = () => kept.source.last
    this.#watch ??= setInterval(() => void this.#look(), every).unref()
  }

  // A waiter stays until it is told to go: where one is missing whose program is gone too, it was killed.
  async #look(): Promise<void> {
    for (const { program } of this.#kept.values()) {
      const { id } = program
      if (isAlive(program.identity) || program.end !== undefined) continue
      const waiters = await findProcesses((command) => command.includes(wordsOfWaiter(id)))
      if (waiters.length === 0) await this.#end(id, this.statusOf(id) ?? unknownStatus)
    }
  }

  async #end(id: string, status: number): Promise<void> {
    const kept = this.#kept.get(id)
    if (kept === undefined) return
    // First what it said, then that it is gone: whoever is told may want to quote its last words.
    await kept.output.finish()
    kept.program.finish(status)
    await kept.prepared?.close()
    await this.#keeper?.forget(id)
    this.#kept.delete(id)
  }

  #candidate({ id, pid, release }: Program, at: Place): Candidate {
    const { env, cwd } = this.#options
    const source = this.#kept.get(id)?.source
    const onLine = (listener: (line: string) => void): (() => void) =>
      source?.onLine(listener) ?? (() => undefined)
    return { pid, version: release.version, ...at, env, cwd, onLine }
  }
}

/** Where a program is asked. */
type Place = Pick<Candidate, 'address' | 'shared'>
