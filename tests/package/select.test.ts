import { describe, expect, it } from 'vitest'
import { from, type Items } from '../../src/package/flow.ts'
import { host } from '../../src/package/platform.ts'
import type { Failure, Item, PackageRecord } from '../../src/package/record.ts'
import { select } from '../../src/package/select.ts'

const make = (version: string, more: object = {}): PackageRecord => ({
  ...{ schema: 1, name: 'app', version, os: host.os, arch: host.arch, file: `app-${version}`, ...more },
})
const failure: Failure = { error: { step: 'list', code: 'unreachable', exit: 69, message: 'no answer' } }
const watched = { watched: { at: '2026-11-20T10:00:00Z' } }

/** Says which items were asked for by then, so that what is passed on at once can be told from what is held. */
async function* spied(items: readonly Item[], taken: Item[]): AsyncGenerator<Item> {
  for await (const item of from(items)) {
    taken.push(item)
    yield item
  }
}

describe('select', () => {
  it('keeps the newest of each name once the input has ended', async () => {
    const items = [make('1.0.0'), make('2.0.0'), make('0.1.0', { name: 'bee' }), make('1.5.0')]
    const result = await Array.fromAsync(select(from(items), {}))
    expect(result).toEqual([items[1], items[2]])
  })

  it('passes unknown fields through untouched', async () => {
    const item = make('1.0.0', { mine: { deep: [1, null] } })
    const [only] = await Array.fromAsync(select(from([item]), {}))
    expect(only).toBe(item)
  })

  it('passes failures on at once, and ends without a word where nothing fits', async () => {
    const taken: Item[] = []
    const result = select(spied([failure, make('1.0.0-rc.1')], taken), {})
    expect((await result.next()).value).toBe(failure)
    expect(taken).toEqual([failure])
    expect(await result.next()).toEqual({ done: true, value: undefined })
  })

  it('with all, passes each on as it comes, in the order it came', async () => {
    const taken: Item[] = []
    const items = [make('1.0.0'), make('2.0.0'), make('1.0.0')]
    const result = select(spied(items, taken), { all: true })
    expect((await result.next()).value).toBe(items[0])
    expect(taken).toHaveLength(1)
    expect(await Array.fromAsync(result)).toEqual([items[1], items[2]])
  })

  it('passes records of a stream that goes on at once, each only when newer than the one before', async () => {
    const versions = ['1.0.0', '1.2.0', '1.1.0', '1.2.0', '2.0.0-rc.1', '1.3.0']
    const items = versions.map((version) => make(version, watched))
    const taken: Item[] = []
    const result = select(spied(items, taken), {})
    expect((await result.next()).value).toBe(items[0])
    expect(taken).toHaveLength(1)
    const rest = await Array.fromAsync(result)
    expect(rest.map((item) => (item as PackageRecord).version)).toEqual(['1.2.0', '1.3.0'])
  })

  it('keeps the streams of two names apart', async () => {
    const items = [make('2.0.0', watched), make('1.0.0', { ...watched, name: 'bee' })]
    expect(await Array.fromAsync(select(from(items), {}))).toEqual(items)
  })

  it('holds one record a name, however many come', async () => {
    async function* many(): Items {
      for (let i = 0; i < 20_000; i++) {
        if (i % 1000 === 0) await Promise.resolve()
        yield make(`1.0.${i}`, { padding: `${i} ${'x'.repeat(20_000)}` })
      }
    }
    const [only] = await Array.fromAsync(select(many(), {}))
    expect(only).toHaveProperty('version', '1.0.19999')
  })

  it('ends the step before it when its own reader has seen enough', async () => {
    let ended = false
    async function* endless(): Items {
      try {
        for (;;) {
          await Promise.resolve()
          yield make('1.0.0')
        }
      } finally {
        ended = true
      }
    }
    for await (const item of select(endless(), { all: true })) {
      expect(item).toHaveProperty('version', '1.0.0')
      break
    }
    expect(ended).toBe(true)
  })

  it('keeps what only has to wait of a stream that goes on, and writes it when its time has come', async () => {
    const released = new Set<string>()
    const input = Promise.withResolvers<undefined>()
    async function* silentAfterTwo(): Items {
      yield make('1.0.0', watched)
      yield make('2.0.0', watched)
      released.add('2.0.0').add('1.0.0')
      await input.promise
    }
    const filter = { aged: ({ version }: PackageRecord) => released.has(version) }
    const result = select(silentAfterTwo(), filter)
    // The newer one first, and then the older one is no news.
    expect(await result.next()).toHaveProperty('value.version', '2.0.0')
    const rest = result.next()
    input.resolve(undefined)
    expect(await rest).toEqual({ done: true, value: undefined })
  })

  it('forgets what still has to wait when the stream ends', async () => {
    const items = [make('1.0.0'), make('2.0.0'), make('3.0.0', watched)]
    const filter = { reached: ({ version }: PackageRecord) => version === '1.0.0' }
    expect(await Array.fromAsync(select(from(items), filter))).toEqual([items[0]])
  })

  it('stops waiting for what has to wait when its input fails, and when its reader has gone', async () => {
    async function* failing(): Items {
      yield make('1.0.0', watched)
      await Promise.resolve()
      throw new Error('cut off')
    }
    const filter = { aged: () => false }
    await expect(Array.fromAsync(select(failing(), filter))).rejects.toThrow('cut off')
    let ended = false
    async function* open(): Items {
      await Promise.resolve()
      try {
        yield make('1.0.0', watched)
        yield failure
        yield make('2.0.0', watched)
      } finally {
        ended = true
      }
    }
    for await (const item of select(open(), filter)) {
      expect(item).toBe(failure)
      break
    }
    expect(ended).toBe(true)
  })
})
