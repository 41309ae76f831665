import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'clipanion'
import { explaining, GupperError } from '../errors.ts'
import { readFilter, type Filter } from '../package/filter.ts'
import { parseCount, parseDuration } from '../package/duration.ts'
import type { Items } from '../package/flow.ts'
import { isFailure } from '../package/record.ts'
import type { ListOptions } from '../sources/list.ts'
import { newerThan } from '../store/newer.ts'
import { createStages, type Stages } from '../store/stages.ts'
import { makeDirectory } from '../store/durable.ts'
import { withLock } from '../store/lock.ts'
import { homeOfService, type ServiceHome } from '../supervisor/home.ts'
import type { Look } from '../supervisor/operations.ts'
import type { Settings } from '../supervisor/settings.ts'
import { stateHome } from './homes.ts'
import { RunFlags } from './run-flags.ts'
import { eventColumns } from './service-columns.ts'

const mostUnwritten = 1 << 20 // characters that may wait for a slow reader of the events
const lastWords = 1000 // ms that the last events may take to be read

class RunCommand extends RunFlags {
  static override paths = [['run']]
  static override usage = Command.Usage({
    category: 'Services',
    description: 'run a program, replace it under load without losing a request, take it back by itself',
    details:
      'Supervises one program in the foreground, and writes what happens as records. What the program writes goes to ' +
      'standard error and to its log (gupper logs NAME). A new version that was installed goes live with ' +
      'gupper activate NAME, or by itself with --source. It has to become ready and to stay so; then it gets what comes, the ' +
      'old one finishes what it has begun, and one that fails is taken back. A program that ends is started again, later ' +
      'and later. Without a command the installed program itself is run; a tree is none, and needs one. The command after -- is ' +
      'started from the place of its version, so that PATH may change meanwhile; with ' +
      'the proxy, {port} in it and the variable PORT are the port that it has to listen on. SIGTERM and SIGINT stop the program, ' +
      'SIGHUP, SIGUSR1 and SIGUSR2 are passed on to it. Killed with -9 and started again, it finds the program that runs and takes it over.',
    examples: [
      ['A web service behind the proxy', 'gupper run --to ./app --listen 8080 -- ./app --port {port}'],
      [
        'One that takes the listening socket, and follows its source',
        'gupper run --to /opt/web --listen 8080 --via socket --ready fd --source http://repo:8080 -- /opt/web/bin/web',
      ],
      [
        'A program of systemd: only its reload is ours',
        "gupper run --to /etc/app --via 'exec:systemctl reload app' --source http://repo:8080",
      ],
    ],
  })

  protected override columns = eventColumns
  #writing: Promise<unknown> = Promise.resolve()

  async run(): Promise<number> {
    const settings = this.settings()
    await this.#refuseTree(settings)
    const { env, signal } = this.context
    const home = homeOfService(stateHome(env), settings.name)
    await explaining(`cannot write ${home.directory}`, () => makeDirectory(home.directory, 0o700))
    const lock = { what: `the service ${settings.name}`, wait: 0, signal }
    let held = false as boolean
    try {
      return await withLock(home.lock, lock, () => {
        held = true
        return this.#supervise(settings, home)
      })
    } catch (error) {
      if (held || !(error instanceof GupperError) || error.code !== 'locked') throw error
      const { name } = settings
      throw new GupperError('locked', `${name} is run by another gupper already`, {
        hint: `see gupper status ${name}; to start its program anew: gupper restart ${name}; for another service: --name NAME`,
      })
    }
  }

  // What is installed later is seen when it is started.
  async #refuseTree({ target, command }: Settings): Promise<void> {
    const { cwd } = this.context
    const isTree = await stat(resolve(cwd, command[0] ?? '')).then(
      (found) => found.isDirectory(),
      () => false,
    )
    if (command.length === 0 || !isTree) return
    throw new GupperError('usage', `${command[0] ?? ''} is a directory, and no program`, {
      hint: `say which program in it is to run: gupper run --to ${target} -- ${target}/PROGRAM`,
    })
  }

  async #supervise(settings: Settings, home: ServiceHome): Promise<number> {
    const { context, observer } = this
    const { env, cwd, signal } = context
    const { openService } = await import('../supervisor/service.ts')
    const { openPage } = await import('../supervisor/page.ts')
    const { serveService } = await import('../supervisor/serve.ts')
    const { forwardLines } = await import('../logs/forward.ts')
    const { stayPlain } = await import('../supervisor/rest.ts')
    const options = await this.#source(settings)
    // The proxy is the one way in which requests come through this process.
    if (settings.via !== 'proxy') stayPlain()
    context.unblock()
    const page = await openPage({ home, web: this.web, webUrl: this.webUrl, observer })
    const service = await openService({
      ...{ settings, home, env, cwd, observer, limits: this.logLimits() },
      emit: (event) => this.#emit(event),
      onLog: (log) => {
        if (!this.quiet)
          forwardLines(log, context.stderr, { stdout: 'out| ', stderr: 'err| ', gupper: 'gupper| ' })
      },
    }).catch(async (error: unknown) => {
      await page?.close()
      throw error
    })
    const { supervisor } = service
    const served = await serveService(supervisor, {
      ...{ home, env, cwd, observer, page },
      look: options && this.#look(settings, options),
      follow: options && ((wake) => this.#follow(settings, options, supervisor.signal, wake)),
    }).catch(async (error: unknown) => {
      await page?.close()
      await supervisor.stop(error instanceof GupperError ? error.exit : 70)
      await service.close()
      throw error
    })
    const stop = (): void => void supervisor.stop(0)
    for (const name of ['SIGTERM', 'SIGINT'] as const) context.takeSignal(name, stop)
    for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const)
      context.takeSignal(name, () => served.operations.signal(name))
    if (signal.aborted) stop()
    const status = await supervisor.ended
    await page?.close()
    await served.close()
    await service.close()
    await Promise.race([this.#writing, delay(lastWords, undefined, { ref: false })])
    // Who does not read its events must not keep it from ending.
    context.abandon()
    return status
  }

  // Whoever reads the events may be slow, or gone: the service goes on.
  #emit(event: object): void {
    const { stdout } = this.context
    if (stdout.destroyed || stdout.writableLength > mostUnwritten) return
    this.#writing = this.#writing.then(async () => this.writeOne(event)).catch(() => undefined)
  }

  async #source({ sources }: Settings): Promise<ListOptions | undefined> {
    const { observer, probe } = this
    if (sources.length === 0 && probe === undefined) return undefined
    const { env, cwd } = this.context
    const trust = await this.openTrust()
    return { cwd, env, observer, tokenFile: this.tokenPath(), trust, ...(probe && { probe }) }
  }

  #filter(stages: Stages): Filter {
    const { packages, range, channel } = this
    const base = readFilter({ name: packages, range, channel, all: false })
    return { ...base, reached: stages.reached }
  }

  #look({ target, sources }: Settings, listing: ListOptions): Look {
    const { env, cwd } = this.context
    const { observer } = this
    const stages = createStages(() => stateHome(env), observer)
    const make = async function* (this: RunCommand): Items {
      const { update } = await import('../update.ts')
      const { minAge, keep, check, pick } = this
      const aged =
        minAge === undefined ? undefined : await stages.cooldown(parseDuration(minAge, '--min-age'))
      yield* update(sources, {
        ...listing,
        ...(listing.trust && {
          tuf: (await import('../sources/prover.ts')).createProver(listing.trust, [...sources]),
        }),
        ...(await this.fetchOptions()),
        ...this.verifyOptions(),
        ...{
          to: target,
          nameFlag: '--package',
          keep: parseCount(keep, '--keep'),
          check,
          pick,
          cwd,
          env,
          observer,
        },
        filter: { ...this.#filter(stages), ...(aged && { aged }) },
      })
    }
    return () => make.call(this)
  }

  /** Wakes whoever asks for it when the source may have something new. */
  async #follow(
    { target, sources }: Settings,
    listing: ListOptions,
    signal: AbortSignal,
    wake: () => void,
  ): Promise<void> {
    const { watch } = await import('../sources/watch.ts')
    const { env } = this.context
    const stages = createStages(() => stateHome(env), this.observer)
    const filter = async (): Promise<Filter> =>
      newerThan(target, this.#filter(stages), { env, signal, observer: this.observer })
    const every = Math.max(100, parseDuration(this.every, '--every'))
    for await (const item of watch([...sources], { ...listing, signal, every, filter, remind: 3_600_000 })) {
      if (isFailure(item)) this.observer.error(item.error.message, { hint: item.error.hint })
      else wake()
    }
  }
}

export const commands = [RunCommand]
