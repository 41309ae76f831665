import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { explaining } from '../../errors.ts'
import { LogSource } from '../../logs/source.ts'
import type { LogWriter } from '../../logs/writer.ts'
import { wordsOfLaunch, wordsOfWaiter } from './keeper-script.ts'
import { readOutput, type Output } from './output.ts'
import { findProcesses, killAll } from './process.ts'
import { markName } from './program.ts'

/**
 * Kills whatever was started for a service in the past and is none of its programs now: no two of a service ever run unseen.
 * What they have written is in the log then.
 * @param directory the keeper's, with a directory for each program
 * @param but the programs that stay
 */
export async function killLeftovers(
  directory: string,
  but: readonly string[],
  log: LogWriter,
): Promise<void> {
  const names = await readdir(directory).catch(() => [])
  for (const id of names.filter((name) => /^[0-9a-f]{12}$/.test(name) && !but.includes(name))) {
    const place = join(directory, id)
    const output = readLast(place, log)
    await killAll(() => findAllOf(id))
    await output?.finish()
    await explaining(`cannot remove ${place}`, () => rm(place, { recursive: true, force: true }))
  }
}

// One that was cut off early has no pipes.
function readLast(place: string, log: LogWriter): Output | undefined {
  try {
    return readOutput(place, new LogSource(log))
  } catch {
    return undefined
  }
}

/** All that was started for a program: its waiter, the shell that becomes it, and whatever carries its mark. */
export async function findAllOf(id: string): Promise<number[]> {
  const mark = `\0${markName}=${id}\0`
  const words = [mark, wordsOfWaiter(id), wordsOfLaunch(id)]
  return findProcesses(
    (command, environment) => environment.includes(mark) || words.some((word) => command.includes(word)),
  )
}
