import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { GupperError, explaining } from '../../errors.ts'
import type { ListenAddress } from '../../net/listening.ts'
import { keeperScript, waiterScript, wordsOfKeeper, writeLaunch, type LaunchPlan } from './keeper-script.ts'
import { openListening } from './listening-socket.ts'
import { makePipes } from '../../store/named-pipe.ts'
import { findAllOf } from './leftovers.ts'
import { openPipe, tell } from './pipe.ts'
import { findGroup, findProcesses, identify, isAlive, killAll, type ProcessIdentity } from './process.ts'

/** A keeper as it is written down, to be found again. */
export interface KeeperIdentity extends ProcessIdentity {
  /** What it holds. */
  listen?: ListenAddress | undefined
}

const patience = 10_000 // ms that a shell may take to start

/** The shell that holds the listening socket and starts the programs (see keeper-script.ts), from the supervisor's side. */
export class Keeper {
  readonly identity: KeeperIdentity
  readonly #directory: string
  readonly #events: Socket
  readonly #waiting = new Map<string, (word: string) => void>()
  readonly #ended = new Map<string, number>()
  readonly #cancelled = new Set<string>()
  #onEnded: (id: string, status: number) => void = () => undefined

  private constructor(directory: string, events: Socket, identity: KeeperIdentity) {
    this.#directory = directory
    this.#events = events
    this.identity = identity
  }

  /**
   * Starts a keeper.
   * @param directory its own, empty or left by one that is gone
   * @param listen what it shall hold
   * @throws GupperError `unreachable` (69) about the address, `config` (78) without setsid(1), `cannot-write` (73)
   */
  static async start(directory: string, listen: ListenAddress | undefined): Promise<Keeper> {
    // Nobody wrote down the one of a supervisor that was killed just now, and it would hold the socket for ever.
    await killAll(() => findProcesses((command) => command.includes(wordsOfKeeper(directory))))
    await explaining(`cannot write ${directory}`, async () => {
      await rm(directory, { recursive: true, force: true })
      await mkdir(directory, { recursive: true, mode: 0o700 })
    })
    await makePipes(join(directory, 'commands'), join(directory, 'events'))
    const events = openPipe(join(directory, 'events'))
    const keeper = new Keeper(directory, events, { pid: 0, started: '', listen })
    try {
      keeper.#listen()
      await keeper.#run()
      return keeper
    } catch (error) {
      events.destroy()
      throw error
    }
  }

  /**
   * Starts another shell in the place of one that was killed; the programs of that one go on, and are still told of.
   * @throws GupperError `unreachable` (69) while one of them has the only copy of the socket
   */
  async revive(): Promise<void> {
    if (!this.alive) await this.#run()
  }

  /** Finds the keeper of a supervisor that is gone; undefined when it is gone too. */
  static async find(directory: string, identity: KeeperIdentity): Promise<Keeper | undefined> {
    if (!isAlive(identity)) return undefined
    const keeper = new Keeper(directory, openPipe(join(directory, 'events')), identity)
    keeper.#listen()
    // Its answer comes after all that it told nobody.
    const word = randomBytes(6).toString('hex')
    const answer = keeper.#hear(`pong ${word}`)
    if (tell(join(directory, 'commands'), `ping ${word}`)) {
      await answer
      return keeper
    }
    answer.catch(() => undefined)
    keeper.close()
    return undefined
  }

  /** Is told of each program that has ended, also of those that did before; the status is as of a shell: 128 + a signal's number. */
  set onEnded(listener: (id: string, status: number) => void) {
    this.#onEnded = listener
    for (const [id, status] of this.#ended) listener(id, status)
  }

  /**
   * Makes the directory of a program, with the pipes that it will write to.
   * @throws GupperError `cannot-write`, `no-space` (73)
   */
  async prepare(id: string): Promise<string> {
    const place = this.placeOf(id)
    await explaining(`cannot write ${place}`, () => mkdir(place, { mode: 0o700 }))
    try {
      await makePipes(...['out', 'err', 'read'].map((name) => join(place, name)))
    } catch (error) {
      await rm(place, { recursive: true, force: true })
      throw error
    }
    return place
  }

  /**
   * Starts a program that was prepared.
   * @returns its process
   * @throws GupperError `not-running` (69) when the keeper is gone
   */
  async launch(plan: LaunchPlan): Promise<ProcessIdentity> {
    const { id } = plan
    const place = this.placeOf(id)
    await explaining(`cannot write ${place}`, () =>
      writeFile(join(place, 'launch'), writeLaunch(plan), { mode: 0o600 }),
    )
    const started = this.#hear(`started ${id}`)
    if (!this.#tell(`start ${id}`)) {
      started.catch(() => undefined)
      throw new GupperError('not-running', 'the keeper of the programs is gone')
    }
    const pid = Number(await started)
    // It holds the environment: not longer on the disk than needed. But a program that runs is no failure.
    await rm(join(place, 'launch'), { force: true }).catch(() => undefined)
    return identify(pid) ?? { pid, started: 'gone' }
  }

  /**
   * Takes back the start of a program, also one that is yet to happen: without its directory no waiter can start it.
   * @param group of its process, where it has told it
   */
  async cancel(id: string, group?: number): Promise<void> {
    this.#cancelled.add(id)
    await rm(this.placeOf(id), { recursive: true, force: true }).catch(() => undefined)
    await killAll(async () => [...(await findAllOf(id)), ...(group ? await findGroup(group) : [])])
  }

  /** How a program ended, unless it is forgotten; as of a shell. */
  statusOf(id: string): number | undefined {
    return this.#ended.get(id)
  }

  /** The directory of a program's pipes. */
  placeOf(id: string): string {
    return join(this.#directory, id)
  }

  /** Forgets a program that has ended, when all it wrote has been read: its waiter may go. What cannot be removed stays. */
  async forget(id: string): Promise<void> {
    tell(join(this.placeOf(id), 'read'), '')
    this.#ended.delete(id)
    await rm(this.placeOf(id), { recursive: true, force: true }).catch(() => undefined)
  }

  /** Whether it is there, and takes commands. */
  get alive(): boolean {
    return isAlive(this.identity)
  }

  /** Tells it to end; the socket closes with the last program that has it. */
  quit(): void {
    this.#tell('quit')
    this.close()
  }

  /** Lets go of it; it stays. */
  close(): void {
    this.#events.destroy()
  }

  async #run(): Promise<void> {
    const { identity } = this
    const run = (input: number | 'ignore'): void =>
      spawn('/bin/sh', ['-c', keeperScript, 'gupper-keeper', this.#directory, waiterScript], {
        detached: true,
        stdio: [input, 'ignore', 'ignore'],
        cwd: '/',
      }).unref()
    if (identity.listen === undefined) run('ignore')
    else identity.listen = (await openListening(identity.listen, run)).bound
    const found = identify(Number(await this.#hear('keeper')))
    if (found === undefined) throw new GupperError('config', 'the keeper of the programs ended at once')
    Object.assign(identity, found)
  }

  #tell(line: string): boolean {
    return tell(join(this.#directory, 'commands'), line)
  }

  #listen(): void {
    createInterface({ input: this.#events }).on('line', (line) => {
      const [verb = '', id = '', word = ''] = line.split(' ')
      const late = verb === 'started' && !this.#waiting.has(`started ${id}`)
      if (late || this.#cancelled.has(id)) {
        void this.cancel(id, verb === 'started' ? Number(word) : undefined)
        return
      }
      if (verb === 'ended') {
        this.#ended.set(id, Number(word))
        this.#onEnded(id, Number(word))
        return
      }
      // "keeper PID" has no ID.
      const key = verb === 'keeper' ? verb : `${verb} ${id}`
      this.#waiting.get(key)?.(verb === 'keeper' ? id : word)
    })
    this.#events.on('error', () => undefined)
  }

  // Only one that has never answered may lack what it needs.
  #silent(key: string): GupperError {
    const within = `within ${patience / 1000} s`
    if (key === 'keeper')
      return new GupperError('config', `the keeper of the programs did not answer ${within}`, {
        hint: 'it needs /bin/sh and setsid (util-linux)',
      })
    const what = key.startsWith('started') ? 'started no program' : 'did not answer'
    return new GupperError(
      'not-running',
      `the keeper of the programs (${this.identity.pid}) ${what} ${within}`,
      {
        hint: 'the machine is overloaded, or somebody has stopped it: kill -CONT lets it go on',
      },
    )
  }

  async #hear(key: string): Promise<string> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiting.set(key, resolve)
        timer = setTimeout(() => {
          reject(this.#silent(key))
        }, patience)
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(key)
    }
  }
}
