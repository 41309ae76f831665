import type { Check } from './check.ts'
import { Word } from './word.ts'

// A pattern that goes astray takes time with the length of what it is given.
const mostOfLine = 16 << 10 // characters

/**
 * `log:REGEX`: the program writes a line that matches. `{version}` stands for the version, taken literally.
 * @param patternFor reads the pattern, with this in the place of `{version}`
 */
export function checkLog(text: string, patternFor: (version: string) => RegExp): Check {
  return {
    text,
    ambiguous: false,
    prepare: () =>
      Promise.resolve({
        inherit: { env: {}, fds: {} },
        async wait(candidate, signal) {
          const pattern = patternFor(candidate.version.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
          const word = new Word(`its log has no line that matches ${String(pattern)} yet`)
          const stop = candidate.onLine((line) => {
            if (pattern.test(line.slice(0, mostOfLine))) word.ready()
          })
          try {
            await word.wait(candidate, signal)
          } finally {
            stop()
          }
        },
        again: () => Promise.resolve(undefined),
        close: () => Promise.resolve(),
      }),
  }
}
