import { closeSync, constants, openSync } from 'node:fs'
import { join } from 'node:path'
import type { LogSource } from '../../logs/source.ts'
import { readStream } from '../../logs/stream.ts'

/** What a program writes, on its way into the log. */
export interface Output {
  /** The program has been started, and holds its pipes itself. */
  started(): void
  /** Takes what is still in the pipes and lets go. */
  finish(): Promise<void>
}

/**
 * Reads the pipes of a program into its log, from before it is started: until then they are held open here.
 * @param place the program's directory
 */
export function readOutput(place: string, source: LogSource): Output {
  const pipes = [join(place, 'out'), join(place, 'err')] as const
  const held = pipes.map((path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK))
  const streams = [readStream(pipes[0], 'stdout', source), readStream(pipes[1], 'stderr', source)]
  return {
    started: () => held.splice(0).forEach((fd) => closeSync(fd)),
    async finish() {
      held.splice(0).forEach((fd) => closeSync(fd))
      await Promise.all(streams.map(async (stream) => stream.stop()))
      for (const stream of ['stdout', 'stderr'] as const) source.end(stream)
    },
  }
}
