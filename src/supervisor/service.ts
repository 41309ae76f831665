import { chmod, mkdir, rm } from 'node:fs/promises'
import type { Stage } from '../activations/activation.ts'
import { GupperError, explaining } from '../errors.ts'
import type { LogLimits } from '../logs/log.ts'
import { openLog } from '../logs/writer.ts'
import type { LogWriter } from '../logs/writer.ts'
import type { Observer } from '../package/observer.ts'
import { parseCheck } from '../readiness/parse.ts'
import type { Check } from '../readiness/check.ts'
import { Events, type ServiceEvent } from './events.ts'
import { External } from './programs/external.ts'
import type { ServiceHome } from './home.ts'
import { Journal } from './journal.ts'
import { leaveSocket } from './leave-socket.ts'
import type { Program } from './programs/program.ts'
import { Programs } from './programs/programs.ts'
import { recover } from './recovery.ts'
import { restBetween } from './rest.ts'
import { Room } from './room.ts'
import type { Settings } from './settings.ts'
import { Supervisor } from './supervisor.ts'
import { openWay } from './ways.ts'

const roomEvery = 60_000 // ms

/** What a service is opened with. */
export interface ServiceOptions {
  settings: Settings
  home: ServiceHome
  limits: Partial<LogLimits>
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  observer: Observer
  /** Takes what happens, as records. */
  emit: (event: ServiceEvent) => void
  /** Is given the log before anything is written to it. */
  onLog?: (log: LogWriter) => void
}

/** A service that runs. */
export interface Service {
  supervisor: Supervisor
  /** Lets go of everything, when the supervisor has ended. */
  close(): Promise<void>
}

/**
 * Opens a service: finds or starts its program. The lock of its directory is held.
 * @throws GupperError `usage` (64), `unreachable` (69), `cannot-write` (73), `config` (78)
 */
export async function openService(options: ServiceOptions): Promise<Service> {
  const { settings, home, limits, env, cwd, observer, emit } = options
  const check = readCheck(settings)
  checkTimes(settings)
  await explaining(`cannot write ${home.directory}`, async () => {
    await mkdir(home.directory, { recursive: true, mode: 0o700 })
    await chmod(home.directory, 0o700)
  })
  const journal = await Journal.open(home.database)
  const isNew = journal.isEmpty
  const log = await openLog(home.log, limits, observer)
  options.onLog?.(log)
  const events = new Events(settings.name, emit)
  events.follow = () => log.onLine((line) => events.change({ line }))
  const endRest = restBetween(log)
  const programs = new Programs({ settings, directory: home.keeper, log, check, env, cwd, observer })
  const room = new Room(home.reserve)
  await room.keep()
  // Nothing tells that there is room again.
  const roomTimer = setInterval(() => void room.keep(), roomEvery).unref()
  const stopped = new AbortController()
  const stage: Stage<Program> = {
    ...{ grace: settings.grace, drain: settings.drain, env, cwd, signal: stopped.signal },
    get listen() {
      return programs.listen ?? settings.listen
    },
    async start(release, plan) {
      await room.keep()
      const program = await room.use(() => programs.start(release, plan))
      log.say(`${release.version} is started (${program.pid})`)
      // Whoever may not go on without it is stopped by the next phase.
      journal.noteAnyway({ candidate: program.saved, keeper: programs.keeper })
      return program
    },
  }
  const close = async (): Promise<void> => {
    stopped.abort()
    endRest()
    clearInterval(roomTimer)
    const { keeper } = programs
    await programs.close()
    await leaveSocket(keeper)
    await log.close()
    journal.close()
  }
  try {
    const way = await openWay(stage, {
      settings,
      check,
      observer,
      external: (release) => new External(release),
    })
    if (way.caveat !== undefined) events.tell('caveat', { way: way.name, reason: way.caveat })
    await way.open?.()
    const supervisor = new Supervisor({ settings, way, programs, journal, events, log, observer })
    await recover(supervisor, cwd)
    return { supervisor, close }
  } catch (error) {
    await close()
    // Of one that has never run nobody wants to hear.
    if (isNew) await Promise.all(['', '-wal', '-shm'].map((end) => rm(home.database + end, { force: true })))
    throw error
  }
}

/** Without a word of the user's, whatever has an address of its own is asked there. */
function readCheck({ ready, via, listen, command }: Settings): Check | undefined {
  if (ready !== undefined) return parseCheck(ready)
  const askable = via === 'proxy' || via === 'handover' || (via === 'restart' && listen !== undefined)
  return askable && command.length > 0 ? parseCheck('tcp') : undefined
}

function checkTimes({ readyWithin, healthyFor, progress }: Settings): void {
  if (readyWithin + healthyFor <= progress && readyWithin > 0) return
  throw new GupperError(
    'usage',
    'the times do not fit: --ready-within and --healthy-for together must be within --progress',
    {
      hint: `they are ${readyWithin} ms, ${healthyFor} ms and ${progress} ms`,
    },
  )
}
