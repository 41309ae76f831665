import { addressOf } from './address.ts'
import type { Drained, Running, Stage, Way } from './activation.ts'

/**
 * The listening socket is the keeper's, and every program inherits it (systemd's protocol, sd_listen_fds(3)): connections
 * wait in it while one program is replaced by the next, and none is refused.
 */
export function createSocket<P extends Running>(stage: Stage<P>): Way<P> {
  return {
    name: 'socket',
    overlapping: true,
    inPlace: false,
    shared: true,
    start: (release) => stage.start(release, { socket: true }),
    addressOf: () => addressOf(stage.listen),
    // Both accept by now: the switch is that the old one stops.
    switch: () => Promise.resolve(),
    drain: (from) => drainProgram(from, stage.drain),
  }
}

/**
 * Both programs bind the address with SO_REUSEPORT, and the system deals connections out to them. When the old one closes its
 * socket, the connections that it had not yet accepted are reset.
 */
export function createReuseport<P extends Running>(stage: Stage<P>): Way<P> {
  return {
    ...createSocket(stage),
    name: 'reuseport',
    caveat:
      'connections that the old program has not accepted when it closes its socket are reset (about 3 a switch under load)',
    start: (release) => stage.start(release, {}),
  }
}

/** Tells a program to finish; whether it has lost anything is known only where it ended by itself, and well. */
export async function drainProgram(from: Running, drain: number): Promise<Drained> {
  const { killed } = await from.stop(drain)
  const good = !killed && from.end?.status === 0
  return { in_flight: null, cut: good ? 0 : null, lost: good ? 0 : null }
}
