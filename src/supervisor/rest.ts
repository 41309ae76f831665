import { setFlagsFromString } from 'node:v8'
import type { LogWriter } from '../logs/writer.ts'
import { collectGarbage } from '../net/garbage.ts'

const quiet = 1000 // ms without output, after which the program is taken to rest
const much = 2 ** 20 // bytes of output, which leave so much behind that it is worth a collection of some milliseconds

/**
 * Gives memory back when a program rests that has written much: V8 would keep what a burst has taken for as long as nothing
 * else wants it, and that may be weeks. What it took to start goes likewise.
 * @returns what ends that
 */
export function restBetween(log: LogWriter): () => void {
  let written = much
  const timer = setTimeout(() => {
    if (written >= much) collectGarbage(true)
    written = 0
  }, quiet)
  timer.unref()
  const untap = log.tap((_, chunk) => {
    written += chunk.length
    if (written >= much) timer.refresh()
  })
  return () => {
    untap()
    clearTimeout(timer)
  }
}

/**
 * Has V8 run what it has compiled without optimizing it. Who passes on what native code reads and writes gains nothing by that,
 * and would keep several megabytes of compilers and of what they made. For a whole process, and for good.
 */
export function stayPlain(): void {
  for (const flag of ['--no-opt', '--no-maglev', '--optimize-for-size']) setFlagsFromString(flag)
}
