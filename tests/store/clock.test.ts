import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readClock, warnOfClock } from '../../src/store/clock.ts'
import { makeListener, makeState, runScript } from './machine.ts'

const noon = new Date('2026-11-20T12:00:00Z')
const later = (minutes: number): Date => new Date(noon.getTime() + minutes * 60_000)
const mark = (state: string): unknown => JSON.parse(readFileSync(join(state, 'clock.json'), 'utf8'))

test('the latest time seen is kept, and written again only when it has moved by an hour', async () => {
  const state = join(makeState(), 'deep', 'gupper')
  expect(await readClock(state, { now: noon })).toEqual({
    ...{ now: noon, latest: noon, setBack: false, file: join(state, 'clock.json') },
  })
  expect(mark(state)).toEqual({ latest: '2026-11-20T12:00:00Z' })
  const { ino } = statSync(join(state, 'clock.json'))
  for (const minutes of [1, 30, 60])
    expect((await readClock(state, { now: later(minutes) })).latest).toEqual(later(minutes))
  expect(statSync(join(state, 'clock.json')).ino).toBe(ino)
  await readClock(state, { now: later(61) })
  expect(mark(state)).toEqual({ latest: '2026-11-20T13:01:00Z' })
  expect(readdirSync(state).sort()).toEqual(['clock.json', 'clock.json.lock'])
})

test('a clock that was set back by more than five minutes is noticed, and the mark stays', async () => {
  const state = makeState()
  await readClock(state, { now: noon })
  expect(await readClock(state, { now: later(-5) })).toMatchObject({ latest: noon, setBack: false })
  const back = later(-60 * 24 * 365)
  for (const now of [later(-6), back])
    expect(await readClock(state, { now })).toMatchObject({ now, latest: noon, setBack: true })
  expect(mark(state)).toEqual({ latest: '2026-11-20T12:00:00Z' })
  expect((await readClock(state, { now: later(1) })).setBack).toBe(false)
})

test('people are told what to do about it, also where the later time never was', async () => {
  const state = makeState()
  const file = join(state, 'clock.json')
  await readClock(state, { now: new Date('2999-01-01T00:00:00Z') })
  const clock = await readClock(state, { now: noon })
  const listener = makeListener()
  warnOfClock(clock, listener)
  expect(listener.warnings).toEqual([
    'the clock says 2026-11-20T12:00:00Z, but 2999-01-01T00:00:00Z was seen here before: it was set back',
  ])
  expect(listener.hints[0]).toContain(`delete ${file}`)
  rmSync(file)
  const healed = await readClock(state, { now: noon })
  expect(healed.setBack).toBe(false)
  warnOfClock(healed, listener)
  expect(listener.warnings).toHaveLength(1)
})

test.each(['', '{', 'null', '{}', '[1]', '{"latest":5}', '{"latest":"soon"}', '\u0000'.repeat(30)])(
  'a damaged mark is made anew: %j',
  async (text) => {
    const state = makeState()
    writeFileSync(join(state, 'clock.json'), text)
    expect(await readClock(state, { now: noon })).toMatchObject({ latest: noon, setBack: false })
    expect(mark(state)).toEqual({ latest: '2026-11-20T12:00:00Z' })
  },
)

test('where the mark cannot be kept, people are told, and the time is told all the same', async () => {
  const state = makeState()
  writeFileSync(join(state, 'file'), '')
  const listener = makeListener()
  expect(await readClock(join(state, 'file', 'gupper'), { now: noon, observer: listener })).toMatchObject({
    ...{ latest: noon, setBack: false },
  })
  expect(listener.warnings).toEqual([expect.stringContaining('cannot write')])
})

test('a mark that cannot be read is no reason to believe the clock', async () => {
  const state = makeState()
  mkdirSync(join(state, 'clock.json'))
  await expect(readClock(state, { now: noon })).rejects.toThrow(
    expect.objectContaining({ code: 'cannot-read' }) as Error,
  )
})

test('of processes that write at once the latest time stands', async () => {
  const state = makeState()
  const script = `
    const { readClock } = await import('$/store/clock.ts')
    for (let i = 0; i < 20; i++)
      await readClock(process.argv[1], { now: new Date(Number(process.argv[2]) + i * 7_200_000) })`
  await Promise.all([0, 1, 2].map((hours) => runScript(script, state, String(noon.getTime() + hours * 1000))))
  const { latest } = await readClock(state, { now: noon })
  // One that finds the mark being written leaves it to the other: never more than a step is missing.
  expect(latest.getTime()).toBeGreaterThanOrEqual(noon.getTime() + 18 * 7_200_000)
  expect(latest.getTime()).toBeLessThanOrEqual(noon.getTime() + 19 * 7_200_000 + 2000)
})
