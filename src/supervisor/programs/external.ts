import type { Release } from '../../activations/activation.ts'
import { formatTime } from '../../package/time.ts'
import { Program } from './program.ts'

/** A program that somebody else runs (systemd, an init script): nothing of it is started or ended here. */
export class External extends Program {
  constructor(release: Release) {
    super({ id: 'external', release, pid: 0, started: '', since: formatTime(new Date()) })
  }

  override signal(): boolean {
    return false
  }

  override stop(): Promise<{ killed: boolean }> {
    return Promise.resolve({ killed: false })
  }

  override async kill(): Promise<void> {
    // It is not ours.
  }
}
