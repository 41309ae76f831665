import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

let collect: ((options: { type: 'minor' | 'major'; flavor?: 'last-resort' }) => void) | undefined

/**
 * Has V8 give back the buffers nobody holds any more. Node's HTTP client makes two of every 64 KB that arrive; V8 sees two
 * tiny objects and lets a hundred megabytes of them pile up. A young collection takes about a millisecond.
 * @param all everything there is and not only what is young: tens of milliseconds, for a process that will rest
 */
export function collectGarbage(all = false): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as typeof collect
    setFlagsFromString('--no-expose-gc')
  }
  collect?.(all ? { type: 'major', flavor: 'last-resort' } : { type: 'minor' })
}
