import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { placeOf } from '../../src/package/rollout.ts'
import { createStages } from '../../src/store/stages.ts'
import { makeListener, makeRecord, makeState } from './machine.ts'

const hour = 3_600_000
const noon = Date.parse('2026-11-20T12:00:00Z')
afterEach(() => vi.useRealTimers())

function setTime(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: ms })
}

test('the state of the machine is not touched before something depends on it', () => {
  const { reached } = createStages(() => {
    throw new Error('asked for')
  }, makeListener())
  const start = '2020-01-01T00:00:00Z'
  expect(reached(makeRecord('1.0.0'))).toBe(true)
  expect(reached(makeRecord('1.0.0', 1, { rollout: { start, rate: '100%/s' } }))).toBe(true)
  expect(reached(makeRecord('1.0.0', 1, { rollout: { start, rate: '0%/s' } }))).toBe(false)
})

test('a machine has its place in a rollout, from process to process', () => {
  const state = makeState()
  const listener = makeListener()
  const rollout = { waves: [{ at: '2020-01-01T00:00:00Z', percent: 50 }] }
  const records = Array.from({ length: 64 }, (_, i) => makeRecord(`1.0.${i}`, i, { rollout }))
  const first = records.map(createStages(() => state, listener).reached)
  const seed = readFileSync(join(state, 'seed'), 'utf8').trim()
  expect(first).toEqual(records.map((record) => placeOf(record, seed) < 0.5))
  expect(records.map(createStages(() => state, listener).reached)).toEqual(first)
  expect(listener.warnings).toEqual([])
})

test('a machine that can keep no seed comes last, and people are told once', () => {
  const listener = makeListener()
  const { reached } = createStages(() => {
    throw new GupperError('config', 'neither XDG_STATE_HOME nor HOME is set')
  }, listener)
  const record = (percent: number) =>
    makeRecord('1.0.0', 1, { rollout: { waves: [{ at: '2020-01-01T00:00:00Z', percent }] } })
  expect([record(99), record(99.9), record(100)].map(reached)).toEqual([false, false, true])
  expect(listener.warnings).toEqual([expect.stringContaining('until a rollout is complete')])
  expect(listener.hints[0]).toContain('--now')
})

test('a build comes of age by when this machine first saw it', async () => {
  const state = makeState()
  const build = makeRecord('1.0.0', 1, { published: '2000-01-01T00:00:00Z' })
  const look = async (ms: number): Promise<boolean> => {
    setTime(ms)
    return (await createStages(() => state, makeListener()).cooldown(24 * hour))(build)
  }
  expect(await look(noon)).toBe(false)
  expect(await look(noon + 24 * hour - 1)).toBe(false)
  expect(await look(noon + 24 * hour)).toBe(true)
  expect(readdirSync(state).sort()).toEqual(['clock.json', 'clock.json.lock', 'first-seen'])
})

test('in a process that lives long, what arrives late ages from then on', async () => {
  const state = makeState()
  setTime(noon)
  const aged = await createStages(() => state, makeListener()).cooldown(hour)
  setTime(noon + 72 * hour)
  expect(aged(makeRecord('1.0.0', 1))).toBe(false)
  setTime(noon + 73 * hour)
  expect(aged(makeRecord('1.0.0', 1))).toBe(true)
})

test('a clock that was set back lets nothing through early, and people are told once', async () => {
  const state = makeState()
  const listener = makeListener()
  setTime(noon)
  const before = await createStages(() => state, listener).cooldown(24 * hour)
  expect(before(makeRecord('1.0.0', 1))).toBe(false)
  expect(listener.warnings).toEqual([])
  setTime(noon - 48 * hour)
  const stages = createStages(() => state, listener)
  const back = await stages.cooldown(24 * hour)
  await stages.cooldown(24 * hour)
  expect(listener.warnings).toEqual([expect.stringContaining('it was set back')])
  expect(back(makeRecord('1.0.0', 1))).toBe(false)
  expect(back(makeRecord('2.0.0', 2))).toBe(false)
  // Set right again: what was first seen in between counts from the latest time that was known then.
  setTime(noon + 23 * hour)
  const right = await createStages(() => state, listener).cooldown(24 * hour)
  expect([right(makeRecord('1.0.0', 1)), right(makeRecord('2.0.0', 2))]).toEqual([false, false])
  setTime(noon + 24 * hour)
  const end = await createStages(() => state, listener).cooldown(24 * hour)
  expect([end(makeRecord('1.0.0', 1)), end(makeRecord('2.0.0', 2))]).toEqual([true, true])
})

test('a clock that once was far ahead does not lock a machine out: its file is deleted', async () => {
  const state = makeState()
  setTime(noon + 100_000 * hour)
  const ahead = await createStages(() => state, makeListener()).cooldown(hour)
  expect(ahead(makeRecord('1.0.0', 1))).toBe(false)
  setTime(noon)
  const listener = makeListener()
  const locked = await createStages(() => state, listener).cooldown(hour)
  expect(locked(makeRecord('1.0.0', 1))).toBe(false)
  expect(listener.hints[0]).toContain(`delete ${join(state, 'clock.json')}`)
  rmSync(join(state, 'clock.json'))
  const healed = await createStages(() => state, makeListener()).cooldown(hour)
  expect(healed(makeRecord('1.0.0', 1))).toBe(false)
  setTime(noon + hour)
  expect(healed(makeRecord('1.0.0', 1))).toBe(true)
})

test('a rollout that nobody can keep a place in is no reason to fail', () => {
  const state = makeState()
  writeFileSync(join(state, 'file'), '')
  const listener = makeListener()
  const { reached } = createStages(() => join(state, 'file', 'gupper'), listener)
  const rollout = { waves: [{ at: '2020-01-01T00:00:00Z', percent: 50 }] }
  expect(reached(makeRecord('1.0.0', 1, { rollout }))).toBe(false)
  expect(listener.warnings).toHaveLength(1)
})
