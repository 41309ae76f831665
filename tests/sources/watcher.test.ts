import { expect, test } from 'vitest'
import { createAlarm } from '../../src/sources/alarm.ts'
import type { Source } from '../../src/sources/source.ts'
import { Watcher } from '../../src/sources/watcher.ts'

test('what is pushed while a source is read makes it due again at once', async () => {
  const stop = new AbortController()
  const pushes = Promise.withResolvers<undefined>()
  const taken = Promise.withResolvers<undefined>()
  const source: Source = {
    url: 'test:',
    async read() {
      pushes.resolve(undefined)
      await taken.promise
      return []
    },
    changes: () =>
      Promise.resolve(
        (async function* () {
          await pushes.promise
          yield 'news'
          taken.resolve(undefined)
          await new Promise((resolve) => stop.signal.addEventListener('abort', resolve))
        })(),
      ),
  }
  const watcher = new Watcher(source, { every: 1000 }, createAlarm(stop.signal), stop.signal)
  await watcher.refresh({}, performance.now())
  expect(watcher.dueIn(performance.now())).toBe(0)
  await watcher.refresh({}, performance.now())
  expect(watcher.dueIn(performance.now())).toBeGreaterThan(1000)
  stop.abort()
})
