import { describe, expect, it } from 'vitest'
import { parseItem, type PackageRecord } from '../../src/package/record.ts'
import { isRollout, parseRollout, placeOf, reached, shareReached } from '../../src/package/rollout.ts'
import { createRandom } from './random.ts'

const start = '2026-11-20T10:00:00Z'
const startMs = Date.parse(start)
const hour = 3_600_000
const make = (more: object = {}): PackageRecord => ({
  ...{ schema: 1, name: 'app', version: '2.0.0', os: 'linux', arch: 'amd64', file: 'app' },
  ...more,
})
const seeds = Array.from({ length: 10_000 }, (_, i) => `seed ${i}`)
const share = (record: PackageRecord, now: number): number =>
  seeds.filter((seed) => reached(record, () => seed, now)).length / seeds.length

describe('a rollout in words', () => {
  it('is a rate from its start', () => {
    expect(parseRollout('10%/h', new Date(start))).toEqual({ start, rate: '10%/h' })
    expect(parseRollout(' 2.5%/d ', new Date(start))).toEqual({ start, rate: '2.5%/d' })
    expect(parseRollout('0%/h', new Date(start))).toEqual({ start, rate: '0%/h' })
  })

  it('is waves, each with its time from the start', () => {
    expect(parseRollout('10%@0,50%@90m, 100%@3d', new Date(start))).toEqual({
      waves: [
        { at: '2026-11-20T10:00:00Z', percent: 10 },
        { at: '2026-11-20T11:30:00Z', percent: 50 },
        { at: '2026-11-23T10:00:00Z', percent: 100 },
      ],
    })
  })

  it.each(['10%/h', '100%/s', '0.1%/m', '5%@1h', '1%@1s,2%@2s', '9%@3650d'])(
    '%j is what a record may hold',
    (text) => {
      const rollout = parseRollout(text, new Date(start))
      expect(isRollout(rollout)).toBe(true)
      expect(() => parseItem({ ...make(), rollout })).not.toThrow()
    },
  )

  it.each([
    '12.5%@1h',
    ...['', '10', '10%', '10/h', '10%/w', '101%/h', '-1%/h', '10%/h,20%/d', '10%/h@1h', 'fast'],
    ...['10%@', '10%@x', '@1h', '101%@1h', '10%@1h,', '50%@1h,10%@2h', '10%@2h,20%@1h', '10%@1h,10%@2h'],
    ...['10%@99999999d', '10%@1h,100%@4000000d', '100%@3651d'],
  ])('is refused with 64 where it means nothing: %j', (text) => {
    expect(() => parseRollout(text, new Date(start))).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringContaining('--rollout') as string }),
    )
  })
})

describe('the share that a rollout has reached', () => {
  it('grows at its rate from nobody to everybody', () => {
    const rollout = { start, rate: '10%/h' }
    expect([-1, 0, 1, 2.5, 10, 11].map((hours) => shareReached(rollout, startMs + hours * hour))).toEqual([
      ...[0, 0, 0.1, 0.25, 1, 1],
    ])
    expect(shareReached({ start, rate: '0%/s' }, startMs + 1e6 * hour)).toBe(0)
    expect(shareReached({ start, rate: '1%/d' }, startMs + 48 * hour)).toBe(0.02)
    expect(shareReached({ start, rate: '1%/m' }, startMs + 60_000)).toBe(0.01)
  })

  it('grows in waves, in whatever order they stand', () => {
    const { waves } = parseRollout('10%@1h,50%@2h,100%@3h', new Date(start)) as { waves: object[] }
    for (const order of [waves, waves.toReversed()])
      expect(
        [0, 1, 1.9, 2, 3, 99].map((hours) => shareReached({ waves: order }, startMs + hours * hour)),
      ).toEqual([0, 0.1, 0.1, 0.5, 1, 1])
  })

  it.each([
    ...[undefined, null, 1, '10%/h', [], {}, { start }, { rate: '10%/h' }, { start: 0, rate: '10%/h' }],
    ...[
      { start, rate: 'NaN%/h' },
      { start, rate: '10%/h', waves: [{ at: start, percent: 100 }] },
    ],
    ...[{ waves: [] }, { waves: [null] }, { waves: [{ at: start, percent: Infinity }] }],
    { waves: [{ at: start, percent: 100 }, { at: start }] },
  ])('is nobody where it is no rollout: %j', (rollout) => {
    expect(shareReached(rollout, startMs + 1e9)).toBe(0)
    expect(reached(make({ rollout: rollout ?? null }), () => 'seed', startMs + 1e9)).toBe(false)
  })

  it('never throws and never falls, whatever it is made of', () => {
    const random = createRandom()
    const times = [
      start,
      '2026-11-20T12:00:00Z',
      '2026-11-21T00:00:00+14:00',
      'never',
      '',
      7,
      null,
      undefined,
    ]
    const rates = ['10%/h', '3.5%/m', '0%/d', '200%/d', '%', 'h', 1, null, {}]
    for (let round = 0; round < 3000; round++) {
      const rollout = {
        ...(random.below(2) === 0 && { start: random.pick(times) }),
        ...(random.below(2) === 0 && { rate: random.pick(rates) }),
        ...(random.below(2) === 0 && {
          waves: Array.from({ length: random.below(4) }, () => ({
            at: random.pick(times),
            percent: random.pick([0, 10, 33.3, 100, 101, -1, '5', NaN]),
          })),
        }),
      }
      const at = Array.from({ length: 5 }, () => startMs + (random.below(80) - 20) * hour).sort(
        (a, b) => a - b,
      )
      const shares = at.map((now) => shareReached(rollout, now))
      const told = `GUPPER_TEST_SEED=${random.seed}, round ${round}: ${JSON.stringify(rollout)}`
      expect(shares, told).toEqual(shares.toSorted((a, b) => a - b))
      expect(
        shares.every((one) => one >= 0 && one <= 1),
        told,
      ).toBe(true)
      if (!isRollout(rollout)) expect(shares.at(-1), told).toBe(0)
    }
  })
})

describe('a machine’s place in a rollout', () => {
  it('is spread evenly: of 10,000 machines the share that is due is reached', () => {
    const record = make({ rollout: { start, rate: '10%/h' } })
    for (const hours of [0.5, 1, 3, 5, 9])
      expect(Math.abs(share(record, startMs + hours * hour) - hours / 10)).toBeLessThan(0.02)
    expect(share(record, startMs)).toBe(0)
    expect(share(record, startMs + 10 * hour)).toBe(1)
  })

  it('once reached stays reached', () => {
    const record = make({ rollout: parseRollout('10%@1h,35%@2h,80%@5h,100%@9h', new Date(start)) })
    for (const seed of seeds.slice(0, 300)) {
      const states = Array.from({ length: 40 }, (_, i) =>
        reached(record, () => seed, startMs + (i * hour) / 4),
      )
      expect(states.slice(states.indexOf(true)).every(Boolean), seed).toBe(true)
      expect(states.includes(true), seed).toBe(true)
    }
  })

  it('is the same at each look, and another at the next release', () => {
    const places = seeds.slice(0, 1000).map((seed) => [placeOf(make(), seed), placeOf(make(), seed)] as const)
    expect(places.every(([a, b]) => a === b && a >= 0 && a < 1)).toBe(true)
    // Who is among the first tenth of one release is so of the next, or of another program, only by chance.
    const first = seeds.filter((seed) => placeOf(make(), seed) < 0.1)
    for (const other of [make({ version: '2.0.1' }), make({ name: 'bee' })]) {
      const again = first.filter((seed) => placeOf(other, seed) < 0.1).length / first.length
      expect(Math.abs(again - 0.1)).toBeLessThan(0.05)
    }
  })

  it('is asked for only where it decides; without one a machine comes last', () => {
    const never = (): string => {
      throw new Error('asked for')
    }
    const rollout = { start, rate: '10%/h' }
    expect(reached(make(), never, startMs)).toBe(true)
    expect(reached(make({ rollout, critical: true }), never, startMs)).toBe(true)
    expect(reached(make({ rollout }), never, startMs - 1)).toBe(false)
    expect(reached(make({ rollout }), never, startMs + 10 * hour)).toBe(true)
    expect(() => reached(make({ rollout, critical: false }), never, startMs + hour)).toThrow('asked for')
    expect(reached(make({ rollout }), () => undefined, startMs + 9.99 * hour)).toBe(false)
  })
})
