/** Waits for the next of several reasons to look again. */
export interface Alarm {
  /** Rings now. */
  ring(): void
  /** Resolves at the next ring, after `delay` ms at the latest, or when the signal is aborted. */
  wait(delay: number): Promise<void>
}

/** Makes an alarm; a ring while nobody waits is kept for the next wait. */
export function createAlarm(signal: AbortSignal | undefined): Alarm {
  let rung = false
  let wake: (() => void) | undefined
  const ring = (): void => {
    rung = true
    wake?.()
  }
  signal?.addEventListener('abort', ring, { once: true })
  return {
    ring,
    wait: (delay) =>
      new Promise((resolve) => {
        const timer = setTimeout(ring, Math.min(delay, 2 ** 31 - 1))
        wake = () => {
          clearTimeout(timer)
          wake = undefined
          rung = false
          resolve()
        }
        if (rung) wake()
      }),
  }
}

/** Spreads a time by a tenth either way, so that many watchers do not knock at once. */
export function jitter(ms: number, random: () => number = Math.random): number {
  return ms * (0.9 + 0.2 * random())
}
