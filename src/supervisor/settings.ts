import { createHash } from 'node:crypto'
import type { ListenAddress } from '../net/listening.ts'

/** When a program is started again after it has ended by itself. */
export type RestartPolicy = 'always' | 'failure' | 'never'

/** How a service is run. Times are ms. */
export interface Settings {
  name: string
  /** Absolute: where its program is installed. */
  target: string
  /** The program and its arguments; empty where it is none of ours. */
  command: readonly string[]
  listen: ListenAddress | undefined
  /** The way of going live, as it was written: "socket", "signal:HUP". */
  via: string
  /** How it is told whether a program is ready, as it was written. */
  ready: string | undefined
  /** A program has to be ready within this time, */
  readyWithin: number
  /** then to stay so for this one, */
  healthyFor: number
  /** and from its start to the switch no more than this may pass. */
  progress: number
  /** What is under way at the old program may take so long. */
  drain: number
  /** A program that was told to end may take so long. */
  grace: number
  /** A request waits so long while nobody answers. */
  hold: number
  restart: RestartPolicy
  /** Bytes that the program's group may have in RAM. */
  memory?: number | undefined
  openFiles?: number | undefined
  sources: readonly string[]
}

/** What must be the same for a program that was found running to be kept: else it would run with settings of the past. */
export function fingerprint(settings: Settings, cwd: string): string {
  const { target, command, listen, via, openFiles } = settings
  const text = JSON.stringify([target, command, listen, via, openFiles, cwd])
  return createHash('sha256').update(text).digest('hex')
}
