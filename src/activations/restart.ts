import { addressOf } from './address.ts'
import type { Running, Stage, Way } from './activation.ts'

/** Stop the old one, start the new one: for any program, and nobody answers in between. */
export function createRestart<P extends Running>(stage: Stage<P>): Way<P> {
  return {
    name: 'restart',
    overlapping: false,
    inPlace: false,
    shared: false,
    caveat: 'nobody answers between the end of the old program and the start of the new one',
    async start(release, from) {
      await from?.stop(stage.grace)
      return stage.start(release, {})
    },
    addressOf: () => addressOf(stage.listen),
    switch: () => Promise.resolve(),
    drain: () => Promise.resolve({ in_flight: null, cut: null, lost: null }),
  }
}
